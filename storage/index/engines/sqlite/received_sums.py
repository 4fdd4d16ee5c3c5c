"""What of each series came from whom in which month, summed up: so that nobody counts instances.

Triggers keep it, in the transaction of each row of `instance`, whoever writes that: so it is what
the rows say at any time, and never counted anew.
"""

_KEY = "series = {row}.parent_id AND sender = {row}.sender AND month = {month}"
# Empty where no receipt tells it. In UTC, of milliseconds since 1970.
_MONTH = (
    "CASE WHEN {row}.received > 0 "
    "THEN ifnull(strftime('%Y-%m', {row}.received / 1000, 'unixepoch'), '') ELSE '' END"
)
_ADD = (
    "INSERT INTO received_sum VALUES (NEW.parent_id, NEW.sender, {month}, 1, NEW.file_bytes) "
    "ON CONFLICT DO UPDATE SET instances = instances + 1, bytes = bytes + excluded.bytes;"
).format(month=_MONTH.format(row="NEW"))
_OF_OLD = _KEY.format(row="OLD", month=_MONTH.format(row="OLD"))
_TAKE = (
    "UPDATE received_sum SET instances = instances - 1, bytes = bytes - OLD.file_bytes "
    f"WHERE {_OF_OLD}; DELETE FROM received_sum WHERE {_OF_OLD} AND instances < 1;"
)
SUM_TABLES = (
    "CREATE TABLE received_sum (series INTEGER, sender TEXT, month TEXT, instances INTEGER, "
    "bytes INTEGER, PRIMARY KEY (series, sender, month)) WITHOUT ROWID",
    f"CREATE TRIGGER received_sum_of_new AFTER INSERT ON instance BEGIN {_ADD} END",
    f"CREATE TRIGGER received_sum_of_gone AFTER DELETE ON instance BEGIN {_TAKE} END",
    "CREATE TRIGGER received_sum_of_changed AFTER UPDATE OF parent_id, file_bytes, sender, "
    f"received ON instance BEGIN {_TAKE} {_ADD} END",
)
