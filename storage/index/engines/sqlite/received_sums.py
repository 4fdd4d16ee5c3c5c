"""What instances say together: so that nobody goes through them.

What of each series came from whom in which month, summed up; and when something of each study
came last. Triggers keep both, in the transaction of each row of `instance`, whoever writes that:
so it is what the rows say at any time, and never counted anew.
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
# Of what is left of a study, by the index of `shared_id`; where that names nothing, by a look at
# each instance.
_LAST_LEFT = (
    "coalesce((SELECT MAX((SELECT MAX(instance.arrived) FROM instance WHERE instance.shared_id = "
    "shared_header.id)) FROM series JOIN shared_header ON shared_header.parent_id = series.id "
    "WHERE series.parent_id = study_arrival.study), (SELECT MAX(instance.arrived) FROM series "
    "JOIN instance ON instance.parent_id = series.id "
    "WHERE series.parent_id = study_arrival.study))"
)
_STUDY_OF = "(SELECT parent_id FROM series WHERE id = {row}.parent_id)"
_ARRIVE = (
    "INSERT INTO study_arrival SELECT parent_id, NEW.arrived FROM series WHERE id = NEW.parent_id "
    "ON CONFLICT DO UPDATE SET arrived = excluded.arrived WHERE excluded.arrived > arrived;"
)
_LEAVE = (
    f"UPDATE study_arrival SET arrived = {_LAST_LEFT} WHERE study = {_STUDY_OF} "
    f"AND arrived <= OLD.arrived; DELETE FROM study_arrival WHERE study = {_STUDY_OF} "
    "AND arrived IS NULL;"
).format(row="OLD")
SUM_TABLES = (
    "CREATE TABLE received_sum (series INTEGER, sender TEXT, month TEXT, instances INTEGER, "
    "bytes INTEGER, PRIMARY KEY (series, sender, month)) WITHOUT ROWID",
    f"CREATE TRIGGER received_sum_of_new AFTER INSERT ON instance BEGIN {_ADD} END",
    f"CREATE TRIGGER received_sum_of_gone AFTER DELETE ON instance BEGIN {_TAKE} END",
    "CREATE TRIGGER received_sum_of_changed AFTER UPDATE OF parent_id, file_bytes, sender, "
    f"received ON instance BEGIN {_TAKE} {_ADD} END",
    # By the id of its row; `arrived` as in `instance`.
    "CREATE TABLE study_arrival (study INTEGER PRIMARY KEY, arrived INTEGER)",
    "CREATE INDEX study_arrival_arrived ON study_arrival (arrived)",
    f"CREATE TRIGGER study_arrival_of_new AFTER INSERT ON instance BEGIN {_ARRIVE} END",
    f"CREATE TRIGGER study_arrival_of_gone AFTER DELETE ON instance BEGIN {_LEAVE} END",
    "CREATE TRIGGER study_arrival_of_changed AFTER UPDATE OF parent_id, arrived ON instance "
    f"BEGIN {_LEAVE} {_ARRIVE} END",
)
