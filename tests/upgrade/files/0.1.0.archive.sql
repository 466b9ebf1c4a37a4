PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA application_id = 1785684577;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE job (
    id INTEGER PRIMARY KEY, userid INTEGER, name TEXT, queue TEXT,
    urgency INTEGER, priority INTEGER, result INTEGER, status INTEGER,
    t_submit REAL, t_run REAL, t_cleanup REAL, t_clean REAL, t_archived REAL,
    jobspec TEXT, R TEXT, eventlog TEXT, output TEXT
);
INSERT INTO "job" VALUES(385875968,0,'simulated','',16,16,1,0,1.79562452165445327759e+09,1.79562452165596270559e+09,1.79562452165753841403e+09,1.79562452165755867964e+09,1.7956245216808204651e+09,'{"version":1,"resources":[{"type":"slot","count":1,"with":[{"type":"core","count":1}],"label":"task"}],"tasks":[{"command":["simulated"],"slot":"task","count":{"per_slot":1}}],"attributes":{"system":{"duration":0.0,"environment":{},"exec":{"test":{"run_duration":"1ms"}}}}}','{"version":1,"execution":{"R_lite":[{"rank":"0","children":{"core":"0"}}],"nodelist":["node0"],"starttime":1795624521.6559393,"expiration":0.0}}','{"timestamp":1795624521.6544533,"name":"submit","context":{"urgency":16,"userid":0,"flags":0,"version":1}}
{"timestamp":1795624521.6544795,"name":"validate"}
{"timestamp":1795624521.6544874,"name":"depend"}
{"timestamp":1795624521.654493,"name":"priority","context":{"priority":16}}
{"timestamp":1795624521.6559627,"name":"alloc"}
{"timestamp":1795624521.6564732,"name":"start"}
{"timestamp":1795624521.6575384,"name":"finish","context":{"status":0}}
{"timestamp":1795624521.6575513,"name":"release","context":{"ranks":"all","final":true}}
{"timestamp":1795624521.657554,"name":"free"}
{"timestamp":1795624521.6575587,"name":"clean"}
','');
CREATE INDEX job_by_end ON job (t_clean, id, userid, queue, name, result);
CREATE VIEW history AS SELECT
    id, userid, name, queue, urgency, priority,
    'INACTIVE' AS state, CASE result WHEN 1 THEN 'COMPLETED' WHEN 2 THEN 'FAILED' WHEN 4 THEN 'CANCELED' WHEN 8 THEN 'TIMEOUT' END AS result,
    CASE WHEN status < 0 THEN NULL
         WHEN status & 127 THEN 128 + (status & 127)
         ELSE status >> 8 END AS exit_code,
    CASE WHEN t_run THEN t_cleanup - t_run END AS runtime,
    strftime('%Y-%m-%dT%H:%M:%fZ', nullif(t_submit, 0), 'unixepoch') AS t_submit, strftime('%Y-%m-%dT%H:%M:%fZ', nullif(t_run, 0), 'unixepoch') AS t_run, strftime('%Y-%m-%dT%H:%M:%fZ', nullif(t_cleanup, 0), 'unixepoch') AS t_cleanup, strftime('%Y-%m-%dT%H:%M:%fZ', nullif(t_clean, 0), 'unixepoch') AS t_clean, strftime('%Y-%m-%dT%H:%M:%fZ', nullif(t_archived, 0), 'unixepoch') AS t_archived, jobspec, R, eventlog, output
FROM job;
COMMIT;
