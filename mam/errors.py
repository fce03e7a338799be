"""The one tree of errors. Each has a sentence for a person, a code for a program, and a hint that says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as it is stored, and given to later requests."""

    code: str
    message: str
    hint: str

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Failure:
        """Reads a record of an error, which may have more fields, or fewer."""
        return cls(*(str(found.get(part, "")) for part in ("code", "message", "hint")))


def readable(name: bytes) -> str:
    """A name in bytes, as messages show it: 'moov', or in hexadecimal if it is no plain text."""
    plain = all(0x20 <= byte < 0x7F for byte in name)
    return f"'{name.decode('ascii')}'" if plain else f"0x{name.hex()}"


class MamError(Exception):
    """An error on which a caller can act.

    `status` is its HTTP status. `code` never changes once published. `hint` says what to do.
    """

    status = 500
    code = "internal_error"
    title = "Something went wrong"
    hint = "Try again; if it happens again, the service's log has the details."
    retryable = False  # Whether the same task may succeed a little later.
    is_refusal = False  # Whether it only looks like an answer about what is missing, which takes longer.
    retry_seconds = 5  # The value of Retry-After, where waiting helps (429, 503).

    def __init__(self, detail: str, *, hint: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if hint is not None:
            self.hint = hint


class InvalidName(MamError):
    status, code, title = 400, "invalid_name", "The object or video name is not usable"
    hint = "Use the object's key as it is in the bucket: no empty, '.' or '..' segments, no control characters."


class InvalidRequest(MamError):
    status, code, title = 422, "invalid_request", "The request cannot be understood"
    hint = "Compare the request with /docs."


class Forbidden(MamError):
    status, code, title = 403, "forbidden", "The API key is missing or wrong"
    hint = "Send the header x-api-key with the value of TRANSCODE_API_KEY."


class NotFound(MamError):
    status, code, title = 404, "not_found", "There is nothing under this name"
    hint = "Check bucket and key; the bucket must be one that may be streamed (MINIO_SOURCE_BUCKETS)."


class VideoNotFound(NotFound):
    code, title = "video_not_found", "There is no such video"
    hint = "Convert it first (POST /transcode), or request it by its asset: /stream/{bucket}/{path}/playlist.m3u8."


class UploadsOff(NotFound):
    code, title = "uploads_off", "Uploads are turned off"
    hint = "Set MINIO_UPLOAD_BUCKET, MINIO_UPLOAD_USR and MINIO_UPLOAD_PWD (docs/uploads.md)."


class UploadNotFound(NotFound):
    code, title = "upload_not_found", "There is no such upload"
    hint = "An unfinished upload ends after UPLOAD_HOURS without a new part. POST /uploads begins another."


class UploadIncomplete(MamError):
    status, code, title = 409, "upload_incomplete", "Parts of the upload are missing"
    hint = "Send the parts that the detail names (POST /uploads/{id}/parts), then complete the upload again."


class UploadComplete(MamError):
    status, code, title = 409, "upload_complete", "The upload is complete"
    hint = "The file is an asset now. DELETE /uploads/{id} removes only files that are no videos."


class NameTaken(MamError):
    status, code, title = 409, "name_taken", "The name is taken"
    hint = "Remove or rename that object and complete the upload again, or send the file under another name."


class UnsupportedFile(MamError):
    status, code, title = 422, "unsupported_file", "Files of this kind are not accepted"
    hint = "Upload an MP4, MOV or M4A file, or subtitles as .srt or .vtt."


class JobNotFound(NotFound):
    code, title = "job_not_found", "There is no such job"
    hint = "The service forgets a job some days after its end. POST /transcode answers at once if the video is live."


class JobEnded(MamError):
    status, code, title = 409, "job_ended", "The job has ended already"
    hint = "POST /jobs/{id}/retry restarts it."


class JobActive(MamError):
    status, code, title = 409, "job_active", "The job has not ended"
    hint = "Wait for its end, or cancel it first (DELETE /jobs/{id})."


class Cancelled(MamError):
    status, code, title = 409, "cancelled", "The conversion was cancelled"
    hint = "Send the request again, or POST /jobs/{id}/retry."


class TooManyJobs(MamError):
    status, code, title = 429, "too_many_jobs", "Too many conversions are waiting"
    hint = "Try again later, or raise MAX_QUEUED_JOBS. Converted videos play meanwhile."


class TooManyStarts(MamError):
    status, code, title = 429, "too_many_starts", "Too many new videos were requested from one place"
    hint = "Try again later; converted videos play meanwhile. VIEWER_CONVERSIONS_PER_HOUR is the limit."
    retry_seconds = 60


class KeyReused(MamError):
    status, code, title = 422, "idempotency_key_reused", "The idempotency key belongs to another request"
    hint = "Use a key again only to repeat the same request."


class InvalidCallback(MamError):
    status, code, title = 422, "invalid_callback", "The callback_url cannot be used"
    hint = "Give an http or https URL of a public host; WEBHOOK_ALLOW_PRIVATE=true allows private addresses too."


class MediaError(MamError):
    """The object exists but cannot become the requested stream. A repeated request does not help."""

    status, code, title = 422, "invalid_media", "The object is not a video that can be converted"
    hint = "Check that the object plays locally and was uploaded whole."


class NotAVideo(MediaError):
    code, title = "not_a_video", "The object is not an MP4 or QuickTime file with video or audio"
    hint = "Upload an MP4, MOV or M4A file."


class TruncatedMedia(MediaError):
    code, title = "truncated_media", "The file is cut off"
    hint = "Upload the file again: its index promises more than the object holds."


class EncryptedMedia(MediaError):
    code, title = "encrypted_media", "The file is encrypted"
    hint = "Upload the file without DRM or Common Encryption."


class ExternalMedia(MediaError):
    code, title = "external_media", "The file's media is in other files"
    hint = "Export it as one self-contained file (in QuickTime: save as a self-contained movie)."


class DamagedMedia(MediaError):
    code, title = "damaged_media", "The file's media does not match its index"
    hint = "Check that the file plays to its end locally; repair or export it again."


class NotRemuxable(MediaError):
    code, title = "not_remuxable", "The streams cannot be copied into HLS"
    hint = "Retry with reencode=true."


class Undecodable(NotRemuxable):
    code, title = "undecodable", "The copied streams cannot be decoded"


class UnsupportedCodec(MediaError):
    code, title = "unsupported_codec", "The file's codec is not supported"
    hint = "Export the file as H.264 or HEVC with AAC."


class ChangingFormat(MediaError):
    code, title = "changing_format", "The file's format changes in the middle"
    hint = "Re-encode it into one format (for example with HandBrake or ffmpeg) and upload the result."


class TooLarge(MediaError):
    code, title = "too_large", "The file exceeds a limit"
    hint = "Split the file or raise the limit that the message names."


class InvalidPlan(MamError):
    code, title = "invalid_plan", "A plan in the VoD bucket cannot be read"
    hint = "Send POST /transcode again: it makes a new plan."


class SourceChanged(MamError):
    status, code, title = 409, "source_changed", "The source object changed during its conversion"
    hint = "Send the request again: it converts the new version."


class Superseded(MamError):
    """Another leader, or a deletion, has taken this work away. The task stops and reports nothing."""

    status, code, title = 409, "superseded", "The conversion was cancelled or replaced"
    hint = "Send the request again."


class ConversionFailed(MamError):
    """A job's recorded failure, given to later requests for the same video."""

    def __init__(self, detail: str, *, status: int, code: str, title: str, hint: str) -> None:
        super().__init__(detail, hint=hint)
        self.status, self.code, self.title = status, code, title


class PoisonedChunk(MamError):
    status, code, title = 500, "worker_crashed", "A part of the video crashed its worker repeatedly"
    hint = "Look at the worker's log; retry with other settings or report the file."


class EncoderFailed(MamError):
    status, code, title = 500, "encoder_failed", "ffmpeg failed"
    hint = "The detail contains the last lines of ffmpeg's log."


class Unavailable(MamError):
    status, code, title = 503, "unavailable", "A dependency of this service does not answer"
    hint = "Try again in a few seconds."
    retryable = True


class StoreUnavailable(Unavailable):
    code, title = "store_unavailable", "The object store does not answer as it should"
    hint = "Check MINIO_ENDPOINT and its credentials; try again in a few seconds."


class StoreForbids(StoreUnavailable):
    """Retryable like a store that is away: the operator may be about to correct the policy."""

    code, title = "store_forbids", "The object store denies access"
    hint = (
        "Let MINIO_USR read and list the source buckets and write to the VoD bucket (python -m mam store-keys --print)."
    )


class RedisUnavailable(Unavailable):
    code, title = "redis_unavailable", "Redis does not answer"
    hint = "Check REDIS_HOST and REDIS_PORT; try again in a few seconds."

    @classmethod
    def of(cls, error: Exception, what: str = "Redis does not answer") -> RedisUnavailable:
        """The meaning of an error of Redis, from any library. `what`: the detail's sentence, without its full stop."""
        if "maxmemory" in str(error):
            return RedisFull("Redis accepts no more data: its maxmemory is used up.")
        return cls(f"{what} ({type(error).__name__}).")


class RedisFull(RedisUnavailable):
    code, title = "redis_full", "Redis is full"
    hint = (
        "Raise Redis's maxmemory, or free memory in Redis. Live videos play meanwhile; jobs go on when there is room."
    )


class TranscoderUnavailable(Unavailable):
    code, title = "transcoder_unavailable", "The transcoding service does not answer"
    hint = "Check TRANSCODE_API_URL and TRANSCODE_API_KEY; try again in a few seconds."
