"""What OHIF is told of this node: its app-config.js."""

import json
from typing import Any

from scp.config import Settings, Web
from scp.web.viewer.placement import BASE

_SOURCE = "minipacs"
_DICOMWEB = "@ohif/extension-default.dataSourcesModule.dicomweb"


def app_config(settings: Settings) -> bytes:
    """The script by which OHIF finds the node's DICOMweb, from the root of the same site."""
    assert settings.web
    source = {
        "namespace": _DICOMWEB,
        "sourceName": _SOURCE,
        "configuration": _data_source(settings.node.ae_title, settings.web),
    }
    config: dict[str, Any] = {
        "name": _SOURCE,
        "routerBasename": BASE.rstrip("/"),
        "extensions": [],
        "modes": [],
        "customizationService": {},
        "showStudyList": True,
        "showWarningMessageForCrossOrigin": True,
        "showCPUFallbackMessage": True,
        "showLoadingIndicator": True,
        "strictZSpacingForVolumeViewport": True,
        "groupEnabledModesFirst": True,
        "maxNumberOfWebWorkers": 3,
        # A browser has six connections to a server of HTTP/1.1.
        "maxNumRequests": {"interaction": 100, "thumbnail": 5, "prefetch": 25},
        "defaultDataSourceName": _SOURCE,
        "dataSources": [source],
    }
    return f"window.config = {json.dumps(config, indent=2)};\n".encode()


def _data_source(title: str, web: Web) -> dict[str, Any]:
    return {
        "friendlyName": title,
        "name": title,
        "qidoRoot": web.path,
        "wadoRoot": web.path,
        "wadoUriRoot": web.uri_path,
        "qidoSupportsIncludeField": True,
        "supportsFuzzyMatching": True,
        "supportsWildcard": True,
        "supportsReject": False,
        "supportsStow": web.store,
        "dicomUploadEnabled": web.store,
        "staticWado": False,
        # Metadata of one series after the other: the first is shown while others come.
        "enableStudyLazyLoad": True,
        "imageRendering": "wadors",
        "thumbnailRendering": "thumbnail",
        "thumbnailRequestStrategy": "fetch",
        "bulkDataURI": {"enabled": True},
        "singlepart": "bulkdata,video",
    }
