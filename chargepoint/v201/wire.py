"""Small conversions between core values and the wire words of OCPP 2.0.1."""

from dataclasses import replace
from typing import Any

from chargepoint.core.authorization import Known
from chargepoint.core.local_list import Listed
from chargepoint.core.model import AdditionalInfo, IdToken, IdTokenType, Source, Text
from chargepoint.core.variables import ADDITIONAL_INFO_ITEMS_MOST
from chargepoint.csms.words import moment as moment  # noqa: PLC0414 - a word of the wire
from chargepoint.csms.words import timestamp as timestamp  # noqa: PLC0414 - so is this
from chargepoint.errors import Refused


def id_token(token: IdToken) -> dict[str, Any]:
    """IdTokenType."""
    data: dict[str, Any] = {"idToken": token.value, "type": str(token.type)}
    if token.additional:
        data["additionalInfo"] = [
            {"additionalIdToken": one.value, "type": one.type} for one in token.additional
        ]
    return data


def token(data: dict[str, Any]) -> IdToken:
    """A token from IdTokenType; the schema has checked the type. What comes with it is left out."""
    return IdToken(data["idToken"], IdTokenType(data["type"]))


def group(data: dict[str, Any]) -> IdToken | None:
    """The group that something names; without a text it is none, and has no members."""
    named = data.get("groupIdToken")
    return token(named) if named and named["idToken"] else None


def whole_token(data: dict[str, Any]) -> IdToken:
    """The same with what comes with it, where it is to be told again.

    Raises:
        Refused: that is more than AdditionalInfoItemsPerMessage.
    """
    more = data.get("additionalInfo", ())
    if len(more) > ADDITIONAL_INFO_ITEMS_MOST:
        found = f"{len(more)} items of additionalInfo, at most {ADDITIONAL_INFO_ITEMS_MOST}"
        raise Refused(found, reason="TooManyElements")
    additional = tuple(AdditionalInfo(one["additionalIdToken"], one["type"]) for one in more)
    return replace(token(data), additional=additional)


def known(data: dict[str, Any]) -> Known:
    """What the CSMS said of a token, from IdTokenInfoType."""
    expires = data.get("cacheExpiryDateTime")
    personal = data.get("personalMessage")
    return Known(
        status=data["status"],
        source=Source.CSMS,
        group=group(data),
        expires=moment(expires) if expires else None,
        evse_ids=tuple(data.get("evseId", ())),
        personal_message=text(personal) if personal else None,
        languages=tuple(data[name] for name in ("language1", "language2") if data.get(name)),
    )


def listed(data: dict[str, Any]) -> Listed:
    """One entry of a local list, from AuthorizationData; without idTokenInfo it is taken away."""
    info = data.get("idTokenInfo")
    entry = replace(known(info), source=Source.LOCAL_LIST) if info else None
    return Listed(token(data["idToken"]), entry)


def text(data: dict[str, Any]) -> Text:
    """A text from MessageContentType."""
    return Text(data["content"], data["format"], data.get("language", ""))


def message_content(text: Text) -> dict[str, Any]:
    """MessageContentType."""
    content = {"format": text.format, "content": text.content}
    return {**content, "language": text.language} if text.language else content


def status_info(refused: Refused) -> dict[str, Any]:
    """StatusInfoType for a refusal."""
    return {
        "reasonCode": (refused.reason or "Unspecified")[:20],
        "additionalInfo": str(refused)[:512],
    }


def answer(status: str, refused: Refused | None = None) -> dict[str, Any]:
    """The usual answer: a status and, with a refusal, why."""
    return (
        {"status": status}
        if refused is None
        else {
            "status": status,
            "statusInfo": status_info(refused),
        }
    )
