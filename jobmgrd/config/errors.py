"""What a refused configuration says: file, table, key, what is wrong and what was expected."""


class ConfigError(ValueError):
    """A configuration that cannot apply; nothing of it does.

    Its text is "SOURCE: [TABLE] KEY: PROBLEM, expected EXPECTED", without the parts that are
    empty. `source` is a file, or "config.load" for a configuration that came by RPC.
    """

    def __init__(self, source: str, table: str, key: str, problem: str, expected: str = "") -> None:
        super().__init__(source, table, key, problem, expected)
        self.source = source
        self.table = table
        self.key = key
        self.problem = problem
        self.expected = expected

    def __str__(self) -> str:
        place = " ".join(
            part for part in (f"[{self.table}]" if self.table else "", self.key) if part
        )
        text = ": ".join(part for part in (self.source, place, self.problem) if part)
        return f"{text}, expected {self.expected}" if self.expected else text
