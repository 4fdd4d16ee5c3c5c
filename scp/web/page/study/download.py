"""A study as a zip archive, as `minipacs export` writes it; sent while it is made."""

from io import BytesIO

from werkzeug.wrappers import Response

from scp.copies.deidentify.elements import DeidentificationReport
from scp.copies.deidentify.instances import copies_for
from scp.copies.deidentify.rules import Profile
from scp.copies.export import Exported, Target, exporting, streamed
from scp.web.page.study.held import study_of
from scp.web.request import Asked, BadRequestError
from storage import Location

# What could not be written is named by a file in it: who opens the archive is to know.
_LEFT_OUT = "NOT-EXPORTED.TXT"


def zipped(asked: Asked, study: str) -> Response:
    """The archive: with a DICOMDIR where it is for media, de-identified where that is asked."""
    for_media, de_identified = (_flag(asked, name) for name in ("media", "deidentified"))
    study_of(asked, study)
    context, done = asked.context, Exported()
    left_out: list[str] = []

    def tell(location: Location, fault: str) -> None:
        # Of what is de-identified the UIDs are others.
        left_out.append(fault if de_identified else f"{location.uids[2]}: {fault}")

    def make(target: Target) -> None:
        profile = Profile() if de_identified else None
        report = DeidentificationReport(None)
        copies = copies_for(context.archive, context.settings.node.ae_title, profile, report)
        try:
            with context.archive.locate_below(study) as found:
                exporting.Export(copies, target, for_media, done, tell).all(found)
        finally:
            context.archive.close_thread()
            asked.told |= {"exported": done.instances, "failed": done.failed, "bytes": done.bytes}
        if left_out:
            target.add(_LEFT_OUT, BytesIO("\n".join([*left_out, ""]).encode()), compress=True)

    if de_identified:
        asked.told["deidentified"] = str(Profile())
    answer = Response(streamed.zip_archive(make), content_type="application/zip")
    name = "study" if de_identified else f"study-{study}"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.zip"'
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def _flag(asked: Asked, name: str) -> bool:
    text = asked.request.args.get(name, "0")
    if text not in ("0", "1"):
        raise BadRequestError(f"{name}={text[:20]}: takes 0 or 1")
    return text == "1"
