"""The pages of docs/ that are made of what the programs really print, and of the source's closed lists; reference_test.py
compares. `CHECK=... EXPORTER=... SMTP_FAKE_SERVER=... reference_pages.py --write` writes them."""

import sys

from documents import ROOT
from metrics_page import metrics_page
from perfdata_page import perfdata_page
from reference_servers import Servers
from reply_codes_page import reply_codes_page
from troubleshooting_page import troubleshooting_page

PAGES = {"metrics.md": metrics_page, "perfdata.md": perfdata_page, "reply-codes.md": reply_codes_page,
         "troubleshooting.md": troubleshooting_page}


def pages():
    """file -> text, of all pages."""
    servers = Servers()
    try:
        return {name: make(servers) for name, make in PAGES.items()}
    finally:
        servers.close()


def main():
    if sys.argv[1:] != ["--write"]:
        print("usage: reference_pages.py --write", file=sys.stderr)
        return 2
    for name, text in pages().items():
        (ROOT / "docs" / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
