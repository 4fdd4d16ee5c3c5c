"""What the page says of what is done on it, and of what goes wrong: more of the strings."""

# Statuses that have words of their own; others are told as 400 and 500.
ERRORS_TOLD = (400, 401, 403, 404, 405, 409, 413, 429, 500, 503)

# key: English, German, Chinese.
ACT_STRINGS: dict[str, tuple[str, str, str]] = {
    "act_failed": (
        "Not done, or not all of it", "Nicht oder nicht ganz ausgeführt", "未完成或未全部完成",
    ),
    "act_failed_next": (
        "What was done is kept. Mend the cause, look again, and ask for it anew.",
        "Was geschehen ist, bleibt. Ursache beheben, neu ansehen und noch einmal auslösen.",
        "已完成的部分保留。请排除原因,重新查看后再次执行。",
    ),
    "act_interrupted": ("Interrupted", "Unterbrochen", "已中断"),
    "act_interrupted_next": (
        "The node ended meanwhile. What was done is kept; look again, and ask for the rest.",
        "Der Knoten wurde beendet. Was geschehen ist, bleibt; neu ansehen und den Rest auslösen.",
        "节点在此期间已停止。已完成的部分保留;请重新查看并执行其余部分。",
    ),
    "act_under_way": ("Under way", "Läuft", "进行中"),
    "all_of_patient": (
        "All studies of the patient", "Alle Studien des Patienten", "该患者的全部检查",
    ),
    "also": ("Elsewhere in it:", "An anderer Stelle darin:", "其中另有:"),
    "cancel": ("Cancel", "Abbrechen", "取消"),
    "correct": ("Correct", "Korrigieren", "更正"),
    "correct_form": (
        "Values are written as DICOM has them: Family^Given, dates as 20260131. What is left as "
        "it is stays.",
        "Werte stehen, wie DICOM sie schreibt: Familienname^Vorname, ein Datum als 20260131. Was "
        "unverändert bleibt, wird nicht korrigiert.",
        "值按 DICOM 格式书写:姓^名,日期如 20260131。未改动的内容保持不变。",
    ),
    "correct_means": (
        "It is answered and sent with the new values, what is still to come as well. No stored "
        "byte is changed, and it can be undone.",
        "Angezeigt und gesendet werden die neuen Werte, auch bei dem, was noch kommt. Kein "
        "gespeichertes Byte ändert sich, und es lässt sich zurücknehmen.",
        "查询和发送时使用新值,之后到达的内容也一样。存储的数据不变,并可撤销。",
    ),
    "correction": ("Correction", "Korrektur", "更正"),
    "delete": ("Delete", "Löschen", "删除"),
    "delete_kept": (
        "It leaves the archive for superseded/, and can be restored from there until somebody "
        "purges it.",
        "Es verlässt das Archiv nach superseded/ und kann von dort zurückgeholt werden, bis es "
        "jemand endgültig löscht.",
        "将从存档移至 superseded/,在被彻底清除之前可以恢复。",
    ),
    "delete_kept_days": (
        "It leaves the archive for superseded/, and can be restored from there for {0} days; "
        "then it is deleted for good.",
        "Es verlässt das Archiv nach superseded/ und kann {0} Tage lang zurückgeholt werden; "
        "dann wird es endgültig gelöscht.",
        "将从存档移至 superseded/,{0} 天内可以恢复,之后彻底删除。",
    ),
    "delete_n": ("Delete {0} instances", "{0} Instanzen löschen", "删除 {0} 个实例"),
    "delete_pinned": (
        "The study is pinned: rules leave it, you do not.",
        "Die Studie ist festgehalten: Regeln lassen sie, Sie nicht.",
        "该检查已锁定:规则不会删除它,但您正在删除。",
    ),
    "deleted": ("Deleted", "Gelöscht", "已删除"),
    "deleted_cut": (
        "There is more; `minipacs restore` reaches all of it.",
        "Es gibt mehr; `minipacs restore` erreicht alles.",
        "还有更多;`minipacs restore` 可恢复全部。",
    ),
    "deleted_means": (
        "What left the archive and can be restored, the last first.",
        "Was das Archiv verlassen hat und zurückgeholt werden kann, das Letzte zuerst.",
        "已移出存档且可恢复的内容,最近的在前。",
    ),
    "did_correct": (
        "Corrected ({0}): {1} instances.", "Korrigiert ({0}): {1} Instanzen.",
        "已更正({0}):{1} 个实例。",
    ),
    "did_delete": ("Deleted: {0} instances.", "Gelöscht: {0} Instanzen.", "已删除 {0} 个实例。"),
    "did_echo": (
        "{0} answered in {1} ms.", "{0} hat in {1} ms geantwortet.", "{0} 在 {1} 毫秒内应答。",
    ),
    "did_merge": (
        "Merged ({0}): {1} instances.", "Zusammengeführt ({0}): {1} Instanzen.",
        "已合并({0}):{1} 个实例。",
    ),
    "did_not_echo": ("{0} did not answer.", "{0} hat nicht geantwortet.", "{0} 未应答。"),
    "did_not_send": ("Did not arrive: {0}", "Nicht angekommen: {0}", "未送达:{0}"),
    "did_pin": ("Pinned.", "Festgehalten.", "已锁定。"),
    "did_restore": (
        "Restored: {0} instances.", "Zurückgeholt: {0} Instanzen.", "已恢复 {0} 个实例。",
    ),
    "did_retry": (
        "{0} that had failed go to {1} again.", "{0} gescheiterte gehen erneut an {1}.",
        "{0} 个失败的实例将再次发送到 {1}。",
    ),
    "did_send": (
        "{0} of {1} instances arrived at {2}, {3}.",
        "{0} von {1} Instanzen sind bei {2} angekommen, {3}.",
        "{1} 个实例中有 {0} 个已送达 {2},{3}。",
    ),
    "did_undo": (
        "Correction {0} is undone.", "Korrektur {0} ist zurückgenommen.", "更正 {0} 已撤销。",
    ),
    "did_unpin": ("Not pinned any more.", "Nicht mehr festgehalten.", "已解除锁定。"),
    "do": ("Actions", "Aktionen", "操作"),
    "echo": ("Echo", "Echo", "回显"),
    "echo_now": ("Echo now", "Jetzt anfragen", "立即回显"),
    "error_400": ("That cannot be answered", "Das lässt sich nicht beantworten", "无法处理该请求"),
    "error_401": ("Who is asking?", "Wer fragt?", "需要登录"),
    "error_403": ("That is not allowed", "Das ist nicht erlaubt", "没有权限"),
    "error_404": ("That is not here", "Das ist nicht hier", "未找到"),
    "error_405": ("Not in this way", "Nicht auf diesem Weg", "请求方式不正确"),
    "error_409": ("It has changed meanwhile", "Es hat sich inzwischen geändert", "状态已发生变化"),
    "error_413": ("That is too much", "Das ist zu viel", "内容过大"),
    "error_429": ("Too many attempts", "Zu viele Versuche", "尝试次数过多"),
    "error_500": ("Something went wrong here", "Hier ging etwas schief", "内部错误"),
    "error_503": ("Not just now", "Gerade nicht möglich", "暂时无法提供"),
    "go_on": ("Go on", "Weiter", "继续"),
    "instance_uid": ("Instance", "Instanz", "实例"),
    "is_now": ("Is now", "Ist jetzt", "当前"),
    "merge": ("Merge patients", "Patienten zusammenführen", "合并患者"),
    "merge_form": (
        "All studies of this patient become those of another one that is held, also those that "
        "are still to come.",
        "Alle Studien dieses Patienten werden die eines anderen, der vorhanden ist, auch künftige.",
        "该患者的全部检查(包括之后到达的)将归属另一位已有患者。",
    ),
    "merge_into": ("Patient ID to be theirs", "Patienten-ID, die gelten soll", "合并到的患者编号"),
    "merge_means": (
        "All studies of the first Patient ID are shown and sent as the second one's, later ones "
        "too. No stored byte is changed, and it can be undone.",
        "Alle Studien der ersten Patienten-ID werden als die der zweiten gezeigt und gesendet, "
        "auch spätere. Kein gespeichertes Byte ändert sich, und es lässt sich zurücknehmen.",
        "第一个患者编号的全部检查(包括之后到达的)将以第二个编号显示和发送。存储的数据不变,并可撤"
        "销。",
    ),
    "next_400": (
        "Go back and change what was given; the words below say what is wrong.",
        "Gehen Sie zurück und ändern Sie die Angabe; unten steht, was nicht stimmt.",
        "请返回并修改输入;下方说明了原因。",
    ),
    "next_401": (
        "Load the page again, and give name and password.",
        "Laden Sie die Seite neu und geben Sie Name und Passwort ein.",
        "请重新加载页面并输入用户名和密码。",
    ),
    "next_403": (
        "Who runs the node can allow it; the words below say where.",
        "Wer den Knoten betreibt, kann es erlauben; unten steht, wo.",
        "节点管理员可以授权;下方说明了位置。",
    ),
    "next_404": (
        "It may have been deleted, or never arrived. Look for it in the studies.",
        "Vielleicht wurde es gelöscht oder kam nie an. Suchen Sie in den Studien.",
        "可能已被删除或从未到达。请在检查列表中查找。",
    ),
    "next_405": (
        "Go back, and use the buttons of the page.",
        "Gehen Sie zurück und benutzen Sie die Schaltflächen der Seite.",
        "请返回并使用页面上的按钮。",
    ),
    "next_409": (
        "Nothing was done. Go back to the view, look again, and confirm it there.",
        "Es wurde nichts getan. Gehen Sie zur Ansicht zurück und bestätigen Sie dort neu.",
        "未执行任何操作。请返回查看最新状态后再确认。",
    ),
    "next_413": (
        "Ask for less at once.", "Fragen Sie weniger auf einmal an.", "请减少一次请求的内容。",
    ),
    "next_429": (
        "Wait some minutes, and try again.",
        "Warten Sie einige Minuten und versuchen Sie es erneut.", "请等待几分钟后重试。",
    ),
    "next_500": (
        "Try it again; if it stays so, the node's log tells more.",
        "Versuchen Sie es erneut; bleibt es so, sagt das Log des Knotens mehr.",
        "请重试;如仍出错,请查看节点日志。",
    ),
    "next_503": (
        "Wait a moment, and load the page again; the words below say why.",
        "Warten Sie einen Moment und laden Sie die Seite neu; unten steht, warum.",
        "请稍候并重新加载页面;下方说明了原因。",
    ),
    "no_peer_to_send_to": (
        "No peer has an address: `minipacs peers add AET HOST:PORT` gives it one.",
        "Keine Gegenstelle hat eine Adresse: `minipacs peers add AET HOST:PORT` trägt eine ein.",
        "没有配置地址的对端节点:用 `minipacs peers add AET HOST:PORT` 添加。",
    ),
    "nothing_deleted": ("Nothing is there.", "Nichts vorhanden.", "没有内容。"),
    "of": ("Of", "Von", "对象"),
    "other_attributes": (
        "Others, one a line: Keyword=VALUE", "Weitere, je Zeile: Keyword=WERT",
        "其他属性,每行一个:Keyword=值",
    ),
    "others_stay": (
        "Patient {0} has {1} other studies, which stay as they are.",
        "Patient {0} hat {1} weitere Studien, die bleiben, wie sie sind.",
        "患者 {0} 另有 {1} 个检查,保持不变。",
    ),
    "pin": ("Pin", "Festhalten", "锁定"),
    "pin_means": (
        "No rule of [retention] removes it then.", "Keine Regel von [retention] entfernt sie dann.",
        "此后 [retention] 的任何规则都不会删除它。",
    ),
    "pin_or_unpin": ("Pin or let go", "Festhalten oder freigeben", "锁定或解除"),
    "reason": ("Reason", "Grund", "原因"),
    "restore": ("Restore", "Zurückholen", "恢复"),
    "restore_n": ("Restore {0} instances", "{0} Instanzen zurückholen", "恢复 {0} 个实例"),
    "retry": ("Try again", "Erneut versuchen", "重试"),
    "retry_means": (
        "What failed is sent again, and what waits for another attempt at once.",
        "Gescheitertes wird erneut gesendet, und was auf einen Versuch wartet, sofort.",
        "失败的将重新发送,等待重试的立即发送。",
    ),
    "retry_n": ("Send {0} to {1} again", "{0} erneut an {1} senden", "向 {1} 重新发送 {0} 个"),
    "rights_of_anybody": (
        "Nobody is asked who it is: [web] allow says what anybody may do from this machine.",
        "Niemand wird gefragt, wer er ist: [web] allow sagt, was jeder auf diesem Rechner darf.",
        "不验证身份:[web] allow 规定本机上任何人可以做什么。",
    ),
    "rights_of_user": (
        "By allow of [users]; `minipacs user` changes it.",
        "Nach allow von [users]; `minipacs user` ändert es.",
        "由 [users] 的 allow 规定;用 `minipacs user` 修改。",
    ),
    "send": ("Send", "Senden", "发送"),
    "send_deidentified": (
        "De-identified (Basic Profile of PS3.15)", "De-identifiziert (Basic Profile, PS3.15)",
        "去标识化(PS3.15 Basic Profile)",
    ),
    "send_n": (
        "Send {0} instances to {1}", "{0} Instanzen an {1} senden", "向 {1} 发送 {0} 个实例",
    ),
    "sent_corrected": (
        "It goes with the corrections that are in force.", "Es geht mit den geltenden Korrekturen.",
        "按当前生效的更正发送。",
    ),
    "sent_deidentified": (
        "It goes de-identified; what cannot be is refused and named.",
        "Es geht de-identifiziert; was nicht de-identifiziert werden kann, wird abgelehnt und "
        "genannt.",
        "去标识化后发送;无法去标识化的将被拒绝并列出。",
    ),
    "series_uid": ("Series UID", "Serien-UID", "序列 UID"),
    "this_study": ("This study alone", "Nur diese Studie", "仅此检查"),
    "to_peer": ("To", "An", "发送到"),
    "to_study": ("To the study", "Zur Studie", "返回检查"),
    "undo": ("Undo", "Zurücknehmen", "撤销"),
    "undo_correction": ("Undo a correction", "Korrektur zurücknehmen", "撤销更正"),
    "undo_means": (
        "All is then as it was received, or as other corrections have it.",
        "Dann ist alles, wie es empfangen wurde oder andere Korrekturen es haben.",
        "之后恢复为接收时的内容,或其他更正所定的内容。",
    ),
    "undo_n": ("Undo correction {0}", "Korrektur {0} zurücknehmen", "撤销更正 {0}"),
    "unpin": ("Let go", "Freigeben", "解除锁定"),
    "unpin_means": (
        "The rules of [retention] may remove it again.",
        "Die Regeln von [retention] dürfen sie wieder entfernen.",
        "[retention] 的规则可再次删除它。",
    ),
    "value_AccessionNumber": ("Accession no.", "Auftragsnummer", "检查号"),
    "value_PatientBirthDate": ("Date of birth", "Geburtsdatum", "出生日期"),
    "value_PatientID": ("Patient ID", "Patienten-ID", "患者编号"),
    "value_PatientName": ("Patient's name", "Name", "患者姓名"),
    "value_PatientSex": ("Sex", "Geschlecht", "性别"),
    "value_ReferringPhysicianName": ("Referring physician", "Überweisender Arzt", "转诊医生"),
    "value_StudyDate": ("Study date", "Studiendatum", "检查日期"),
    "value_StudyDescription": ("Description", "Beschreibung", "描述"),
    "value_StudyID": ("Study ID", "Studien-ID", "检查编号"),
    "value_StudyTime": ("Study time", "Studienzeit", "检查时间"),
    "what_you_may": ("What you may do", "Was Sie dürfen", "您的权限"),
    "will_be": ("Will be", "Wird", "改为"),
}  # fmt: skip
