"""Why a sidecar or a label is left alone."""


class SidecarError(Exception):
    """A sidecar that is not read or not changed; the message says why: "the sidecar is read-only".

    It ends nothing: the photo is listed with the reason, and the next one follows.
    """
