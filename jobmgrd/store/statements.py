"""Every SQL text that runs while the daemon runs; each uses an index, which a test proves.

A set of ids is one parameter, a JSON array: one statement does the work of a hundred, so the
writer's thread gives up the interpreter lock once for all of them and not once for each.
"""

from typing import Final

# active and ended jobs
PUT_ACTIVE: Final = "INSERT OR REPLACE INTO active VALUES (?, ?, ?, ?, ?)"
DROP_ACTIVE: Final = "DELETE FROM active WHERE id IN (SELECT value FROM json_each(?))"
PUT_ENDED: Final = "INSERT INTO ended VALUES (?, ?, ?, ?, ?, NULL, ?, ?, ?)"
PUT_INACTIVE: Final = "INSERT INTO inactive VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
PUT_OUTPUT: Final = (
    "INSERT INTO output SELECT ?1, ifnull(max(n), 0) + 1, ?2 FROM output WHERE id = ?1 AND n > 0"
)
PUT_INPUT: Final = (
    "INSERT INTO output SELECT ?1, ifnull(min(n), 0) - 1, ?2 FROM output WHERE id = ?1 AND n < 0"
)
SET_RULE: Final = "UPDATE ended SET rule = ? WHERE id IN (SELECT value FROM json_each(?))"
PUT_META: Final = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
PUT_PIN: Final = "INSERT OR REPLACE INTO pin VALUES (?, ?, ?, ?, ?)"
DROP_PIN: Final = "DELETE FROM pin WHERE id IN (SELECT value FROM json_each(?))"
PUT_ORPHAN: Final = "INSERT OR REPLACE INTO orphan VALUES (?, ?, ?, ?, ?, ?, ?)"
DROP_ORPHANS: Final = "DELETE FROM orphan WHERE id IN (SELECT value FROM json_each(?)) RETURNING id"

# numbers
ADD_CLASS: Final = (
    "INSERT INTO class_count VALUES (?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n"
)
ADD_TOTAL: Final = (
    "INSERT INTO total VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n"
)
ADD_QUEUE: Final = (
    "INSERT INTO queue_count VALUES (?, ?, ?, ?) ON CONFLICT"
    " DO UPDATE SET ended = ended + excluded.ended, kept = kept + excluded.kept"
)
PUBLISHED: Final = "UPDATE counter SET n = max(n, ?) WHERE name = 'published'"
ADD_PURGED: Final = "UPDATE counter SET n = n + ? WHERE name = 'purged'"
ADD_FORGOTTEN: Final = "UPDATE counter SET n = n + ? WHERE name = 'forgotten'"
FORGOTTEN_SEQ: Final = "UPDATE counter SET n = ? WHERE name = 'forgotten_seq'"
FORGOTTEN_ID: Final = "UPDATE counter SET n = max(n, ?) WHERE name = 'forgotten_id'"
COUNT_ORPHANS: Final = "SELECT count(*) FROM orphan"

# the history, as decisions ask for it; times are numbers, whoever wrote them
COUNTS: Final = "SELECT rule, n FROM class_count WHERE rule >= 0 AND n > 0"
OLDEST: Final = (
    "SELECT ifnull(CAST(t_clean AS REAL), 0.0), id, rule, ord, ifnull(queue, ''), ifnull(result, 0)"
    " FROM ended WHERE rule = ? AND seq IS NULL ORDER BY t_clean, id LIMIT ?"
)
COUNT_BEFORE: Final = "SELECT count(*) FROM ended WHERE rule = ? AND t_clean < ? AND seq IS NULL"
POSITION: Final = (
    "SELECT count(*) FROM ended WHERE rule = ? AND (t_clean, id) < (?, ?) AND seq IS NULL"
)
FIND_MANY: Final = (
    "SELECT ifnull(CAST(t_clean AS REAL), 0.0), id, rule, ord, ifnull(queue, ''), ifnull(result, 0)"
    " FROM ended WHERE id IN (SELECT value FROM json_each(?)) AND seq IS NULL"
)

# purge
DROP_INACTIVE: Final = "DELETE FROM inactive WHERE ord IN (SELECT value FROM json_each(?))"
BURY: Final = (
    "UPDATE ended SET seq = ?, ord = NULL, queue = NULL"
    " WHERE id IN (SELECT value FROM json_each(?)) AND seq IS NULL"
)
DROP_OUTPUT: Final = "DELETE FROM output WHERE id IN (SELECT value FROM json_each(?))"
LOG_PURGE: Final = "INSERT INTO purge_log VALUES (?, ?, ?, ?, ?)"

# tombstones, the oldest purges first
OLDEST_PURGE: Final = "SELECT seq, t, jobs FROM purge_log WHERE seq > ? ORDER BY seq LIMIT 1"
BURIED: Final = "SELECT id FROM ended WHERE id IN (SELECT value FROM json_each(?)) AND seq = ?"
FORGET: Final = "DELETE FROM ended WHERE id IN (SELECT value FROM json_each(?))"
TRIM_PURGE_LOG: Final = "DELETE FROM purge_log WHERE seq <= ?"

# classing anew
FACTS: Final = (
    "SELECT id, result, queue, userid, rule, seq FROM ended WHERE id > ? ORDER BY id LIMIT ?"
)

# reads; what is to be bytes is, whoever wrote it: one such row must not hold up purging for ever
FIND_INACTIVE: Final = (
    "SELECT id, userid, urgency, priority, t_submit, t_run, t_cleanup, t_clean,"
    " result, status, name, queue, rule, ifnull(CAST(jobspec AS BLOB), x''), CAST(R AS BLOB),"
    " ifnull(CAST(eventlog AS BLOB), x''),"
    " t_depend, t_priority, t_sched, attrs, fate"
    " FROM ended JOIN inactive USING (ord) WHERE id = ?"
)
FIND_ROWS: Final = FIND_INACTIVE.replace("id = ?", "id IN (SELECT value FROM json_each(?))")
FIND_TOMBSTONE: Final = (
    "SELECT id, seq, t, reason, result, t_clean, ended.userid, fate"
    " FROM ended JOIN purge_log USING (seq) WHERE id = ?"
)
CLASSES: Final = "SELECT rule FROM class_count WHERE n > 0"
LATEST: Final = (
    "SELECT t_clean, id FROM ended"
    " WHERE rule = ? AND (t_clean, id) < (?, ?) AND seq IS NULL"
    " ORDER BY t_clean DESC, id DESC LIMIT ?"
)
SUBMITTED: Final = (
    "SELECT id FROM ended WHERE id <= ? AND userid = ? AND seq IS NULL ORDER BY id DESC LIMIT ?"
)
FLOOR: Final = LATEST.replace("LIMIT ?", "LIMIT 1 OFFSET ?")
LISTED: Final = (
    "SELECT {} FROM ended {} inactive USING (ord)"
    " WHERE rule = ? AND (t_clean, id) < (?, ?) AND (t_clean, id) >= (?, ?) AND seq IS NULL"
    " AND {} ORDER BY t_clean DESC, id DESC LIMIT ?"
)
"""To be completed by jobmgrd.store.sqlite_query: columns, kind of join, constraint.

SQLite leaves out a LEFT JOIN that neither columns nor constraint need: the index tells all then.
"""
OUTPUT: Final = (
    "SELECT ifnull(CAST(data AS BLOB), x'') FROM output WHERE id = ? AND n > 0 ORDER BY n"
)
INPUT: Final = (
    "SELECT ifnull(CAST(data AS BLOB), x'') FROM output WHERE id = ? AND n < 0 ORDER BY n DESC"
)
STREAMS: Final = (
    "SELECT id, n, ifnull(CAST(data AS BLOB), x'') FROM output"
    " WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id, n"
)
ORPHANS: Final = "SELECT id, userid, jobspec, R, eventlog, reason, t FROM orphan ORDER BY id"
PURGE_LOG: Final = (
    "SELECT seq, t, jobs, reason, userid FROM purge_log WHERE seq > ? ORDER BY seq LIMIT ?"
)

# opening
ACTIVE: Final = "SELECT id, userid, jobspec, R, eventlog FROM active ORDER BY id"
META: Final = "SELECT name, value FROM meta"
PINS: Final = (
    "SELECT id, ifnull(CAST(reason AS TEXT), ''), ifnull(CAST(until AS REAL), 0.0),"
    " ifnull(CAST(userid AS INTEGER), 0), ifnull(CAST(t AS REAL), 0.0) FROM pin ORDER BY id"
)
COUNTERS: Final = "SELECT name, n FROM counter"
ALL_CLASSES: Final = "SELECT rule, n FROM class_count"
QUEUE_COUNTS: Final = "SELECT queue, result, ended, kept FROM queue_count ORDER BY queue, result"
TOTALS: Final = "SELECT day, queue, result, n FROM total ORDER BY day, queue, result"
MAX_ACTIVE: Final = "SELECT max(id) FROM active"
MAX_ENDED: Final = "SELECT max(id) FROM ended"
MAX_ORPHAN: Final = "SELECT max(id) FROM orphan"
LAST_ORD: Final = "SELECT max(ord) FROM inactive"
FIRST_PURGE: Final = "SELECT min(seq) FROM purge_log"
LAST_PURGE: Final = "SELECT max(seq) FROM purge_log"
