"""[orders]: where orders come as HL7 messages, and what these leave to be agreed on."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import BeforeValidator, Field

from scp.config.table import Table, integer, takes

# MSH-18 (HL7 table 0211) -> what Python calls it.
HL7_CHARSETS = {
    "ASCII": "ascii", **{f"8859/{n}": f"iso8859_{n}" for n in (*range(1, 10), 15)},
    "UNICODE": "utf_8", "UNICODE UTF-8": "utf_8", "UTF-8": "utf_8",
    "ISO IR14": "iso2022_jp", "ISO IR87": "iso2022_jp", "ISO IR159": "iso2022_jp",
    "GB 18030-2000": "gb18030", "KS X 1001": "euc_kr", "BIG-5": "big5",
}  # fmt: skip
_to_network = BeforeValidator(lambda given: ip_network(given) if isinstance(given, str) else given)
_Network = Annotated[IPv4Network | IPv6Network, _to_network]
_FROM = takes('a list of addresses and networks such as "10.0.0.0/8"', alias="from", strict=False)
_HOST = takes("a host name or IP address", pattern=r"^[^\s\x00-\x1F\x7F]+$")
_CHARSET = takes(f"one of {', '.join(HL7_CHARSETS)}", pattern=f"^({'|'.join(HL7_CHARSETS)})$")
_STATIONS = takes(
    'a table of AE titles by modality, or by what a message names in their place: { CT = "CT01" }'
)
_Title = Annotated[str, Field(pattern=r"^[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?$")]
_Name = Annotated[str, Field(pattern=r"^\S(.*\S)?$")]


class Orders(Table):
    """Where orders come as HL7 v2 messages over MLLP; port 0 lets the kernel pick one."""

    host: Annotated[str, _HOST] = "127.0.0.1"
    port: Annotated[int, integer(0, 65535)] = 2575
    sources: Annotated[tuple[_Network, ...], _FROM] = ()  # empty: any address
    charset: Annotated[str, _CHARSET] = "8859/1"
    station: Annotated[dict[_Name, _Title], _STATIONS] = Field(default_factory=dict)
