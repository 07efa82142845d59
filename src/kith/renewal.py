"""Takes over, while the server runs, what has changed outside: settings and certificate."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import structlog

from kith import journal
from kith.config import Config, ConfigError
from kith.edge.certificate_health import troubles
from kith.edge.edge import Edge

logger = structlog.get_logger("kith")


class Renewal:
    """Renews the settings and the certificate of an `Edge`.

    ``reread``: reads the settings again; raises ConfigError. None if they can't change.
    """

    def __init__(self, edge: Edge, reread: Callable[[], Config] | None) -> None:
        self._edge = edge
        self._reread = reread

    def reload(self) -> None:
        """Takes over changed settings, as far as possible without a restart, and a renewed certificate.

        Wrong settings change nothing. What has changed, and what needs a restart, is logged by name.
        """
        if self._reread is not None:
            config = self._edge.config
            try:
                changed, later = config.take_over(self._reread())
            except ConfigError as error:
                logger.error("settings not reloaded, the old ones stay", error=str(error))
            else:
                self._edge.take_over()
                journal.set_level(config.log_level)
                logger.info("settings reloaded", changed=",".join(changed), need_a_restart=",".join(later))
        self.reload_certificate()

    def reload_certificate(self) -> None:
        """Loads the certificate if it was renewed. Open connections stay."""
        certificates = self._edge.certificates
        try:
            if certificates.reload():
                logger.info("certificate reloaded", file=str(certificates.certificate))
                self.look_at_certificate()
        except (OSError, ValueError, ssl.SSLError) as error:
            logger.error("certificate not reloaded, the old one stays", exc_info=error)

    def look_at_certificate(self) -> None:
        """Logs what is wrong with the certificate, if anything."""
        try:
            found = troubles(self._edge.certificates.certificate, self._edge.config.domain)
        except ValueError as error:
            logger.error("certificate unusable", error=str(error))
            return
        for trouble in found:
            log = logger.error if trouble.bad else logger.warning
            log("certificate", trouble=trouble.text, todo=trouble.todo)
