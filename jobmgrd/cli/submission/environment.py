"""The environment that a job is submitted with: the caller's, changed by rules (flux-submit(1))."""

import string
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from jobmgrd.cli.failure import CommandError


def environment(rules: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment after the rules, in their order.

    Args:
        rules: "VAR=VAL" sets a variable, with $NAME and ${NAME} in VAL replaced; "-GLOB" removes;
            "GLOB" copies what a rule before has removed.
        environ: the caller's environment. Values that are not UTF-8 cannot be sent, and are
            left out.

    Raises:
        CommandError: VAL names a variable that is not set.
    """
    caller = {name: value for name, value in environ.items() if _is_utf8(name + value)}
    result = dict(caller)
    for rule in rules:
        name, is_value, value = rule.partition("=")
        if rule.startswith("-"):
            for name in [name for name in result if fnmatchcase(name, rule[1:])]:
                del result[name]
        elif is_value:
            result[name] = _expand(rule, value, {**caller, **result})
        else:
            copied = {name: value for name, value in caller.items() if fnmatchcase(name, rule)}
            result = copied | result
    return result


def _expand(rule: str, value: str, variables: Mapping[str, str]) -> str:
    try:
        return string.Template(value).substitute(variables)
    except KeyError as error:
        raise CommandError(f"--env={rule}: ${error.args[0]} is not set") from error
    except ValueError as error:
        raise CommandError(f"--env={rule}: {error}") from error


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
