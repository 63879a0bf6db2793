"""What no output may have in it: control characters, markup that is not ours, log lines that cannot be read."""

import html.parser
import re

TAGS = {"html", "head", "meta", "title", "style", "body", "nav", "a", "h1", "h2", "p", "span", "dl", "dt", "dd", "div", "table",
        "thead", "tbody", "tr", "th", "td", "svg", "rect", "pre", "details", "summary", "form", "label", "input", "select",
        "option", "button"}
ATTRIBUTES = {"lang", "charset", "name", "content", "class", "href", "viewbox", "preserveaspectratio", "aria-hidden", "x", "y",
              "width", "height", "method", "action", "required", "placeholder", "autocomplete", "autocapitalize",
              "spellcheck", "type", "value", "selected"}
LOGFMT = re.compile(r'(?:[a-z_]+=(?:[^\s"=]+|"(?:[^"\\]|\\.)*")(?: |$))+')


class Strict(html.parser.HTMLParser):
    """Collects what of a page none of our own templates has."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.strange = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag not in TAGS or any(name not in ATTRIBUTES for name, _ in attrs):
            self.strange.append((tag, attrs))

    def handle_comment(self, data):
        self.strange.append(data)

    def handle_pi(self, data):
        self.strange.append(data)


def controls(text):
    """What no output may have: control characters, those that reorder, and bytes that are no UTF-8."""
    return sorted({c for c in text if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160 or 0x202A <= ord(c) <= 0x202E
                   or 0x2066 <= ord(c) <= 0x2069 or ord(c) in (0x200B, 0x2028, 0x2029, 0xFEFF)
                   or 0xD800 <= ord(c) <= 0xDFFF})
