# SPDX-License-Identifier: MIT
"""Reads the public headers: what they declare, and the docstrings of that."""
import re
from dataclasses import dataclass, field

INTERNAL = re.compile(r"udrv__", re.I)
COMMENT = r"/\*.*?\*/"
BRACKET = re.compile(rf"{COMMENT}|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'])'|[(){{}}]", re.S)
ATTRIBUTE = re.compile(
    rf"{COMMENT}|__attribute__\s*\(\(.*?\)\)+|\bUDRV_(API|WARN_UNUSED)\b|UDRV_PRINTF\([^)]*\)", re.S
)
TYPES = ("struct", "enum", "union", "typedef")


@dataclass
class Decl:
    """A public name that a header declares."""

    name: str
    kind: str  # of TYPES, or function inline macro constant
    text: str  # on one line, without attributes; of calls up to the parenthesis
    params: list = field(default_factory=list)  # of calls, with their types
    members: list = field(default_factory=list)  # of types: (names, text, comment)
    comment: str = ""  # beside a constant
    group: str = ""  # the plain comment above it
    doc: object = None

    def all_params(self):
        """Of calls and of the functions that a typedef is for."""
        found = re.search(r"\(\*\w+\)\((.*)\)$", self.text) if self.kind == "typedef" else None
        return split_list(found[1]) if found else self.params

    def is_enum(self):
        return self.kind == "enum" or self.text.startswith("typedef enum")


@dataclass
class Doc:
    """A docstring, taken apart."""

    title: str  # the names as written
    names: list
    brief: str  # the first sentence
    params: dict
    paras: list  # each a list of lines
    returns: str
    source: str
    is_type: bool
    header: object = None
    decls: list = field(default_factory=list)
    section: str = "3"

    @property
    def page(self):
        return self.names[0]

    def text(self):
        return " ".join([self.brief, *self.params.values(), *sum(self.paras, []), self.returns])


@dataclass
class Header:
    name: str
    about: list = field(default_factory=list)  # paragraphs of the @file text
    decls: list = field(default_factory=list)
    docs: list = field(default_factory=list)
    includes: list = field(default_factory=list)
    errors: list = field(default_factory=list)

    def error(self, text):
        self.errors.append(f"{self.name}: {text}")


def oneline(text):
    return re.sub(r"\s+", " ", text).strip()


def split_list(text):
    """Split at commas that are in no brackets."""
    parts, depth = [""], 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts]


def closing(text, at):
    """The index behind the bracket that closes the one at `at`."""
    depth = 0
    for token in BRACKET.finditer(text, at):
        depth += (token[0] in "({") - (token[0] in ")}")
        if not depth:
            return token.end()
    raise ValueError(f"no end of: {text[at:at + 60]!r}")


def braces(text):
    """a{b,c} is ab and ac, as in a shell."""
    start = text.find("{")
    if start < 0:
        return [text]
    end = closing(text, start)
    return [
        text[:start] + middle + rest
        for part in split_list(text[start + 1 : end - 1])
        for middle in braces(part)
        for rest in braces(text[end:])
    ]


def sentences(text):
    return re.split(r"(?<=[.?!])(?<!e\.g\.)\s+(?=[A-Z@0-9-])", text)


def comment_lines(comment):
    """The lines of a comment without its frame."""
    text = re.sub(r"^/\*\*?|\*/$", "", comment)
    lines = [re.sub(r"^\s*\* ?", "", line).rstrip() for line in text.split("\n")]
    lines[0] = lines[0].strip()
    while lines and not lines[0]:
        lines.pop(0)
    while lines and not lines[-1]:
        lines.pop()
    return lines


def comment_text(comment):
    return oneline(" ".join(comment_lines(comment)))


def paragraphs(lines):
    paras = [[]]
    for line in lines:
        if line:
            paras[-1].append(line)
        elif paras[-1]:
            paras.append([])
    return [para for para in paras if para]


def take(pattern, paras):
    """Take what the pattern matches out of the paragraphs; return its group."""
    for index, para in enumerate(paras):
        text = " ".join(para)
        found = re.search(pattern, text)
        if found:
            rest = oneline(text[: found.start()] + " " + text[found.end() :])
            paras[index : index + 1] = [[rest]] if rest else []
            return oneline(found[1])
    return ""


def parse_doc(lines):
    """Take a docstring apart, or return None if it is none."""
    at = 0
    while at < len(lines) and lines[at] and not re.match(r"@\w+:", lines[at]):
        at += 1
    kind, names = r"(struct |enum |union |typedef )?", r"((?:[\w{},]+(?:\(\))?,? )+)"
    head = re.match(rf"{kind}{names}- (.*)", " ".join(lines[:at]))
    if not head:
        return None
    while at < len(lines) and not lines[at]:
        at += 1
    params, param = {}, None
    while at < len(lines) and lines[at]:
        found = re.match(r"@(\w+|\.\.\.): *(.*)", lines[at])
        if not found and not param:
            break
        param = found[1] if found else param
        params[param] = oneline(params.get(param, "") + " " + (found[2] if found else lines[at]))
        at += 1
    brief, *more = sentences(head[3].strip())
    returns = ""
    if more and re.match(r"(0|1|-E\w+|NULL|[Tt]rue|[Ff]alse)\b", more[-1]):
        returns = more.pop()
    paras = ([[" ".join(more)]] if more else []) + paragraphs(lines[at:])
    source = take(r"\bSource: (.+?\.)(?=\s|$)", paras)
    returns = take(r"\bReturn: (.*)", paras) or returns
    title = oneline(head[2])
    all_names = [name for part in split_list(title) for name in braces(part.removesuffix("()"))]
    return Doc(title, all_names, brief.rstrip("."), params, paras, returns, source, bool(head[1]))


def param_name(param):
    found = re.search(r"\(\*\s*(\w+)\)", param) or re.search(r"(\w+)\s*(?:\[[^]]*\]\s*)*$", param)
    return found[1] if found else param


def parse_members(body, end):
    """Members of a struct (end is ;) or an enum (end is ,), each with the comment on it."""
    members, text, comment, depth, same_line = [], "", "", 0, False

    def add():
        names = [param_name(part) for part in split_list(text)] if end == ";" else text.split()[:1]
        members.append([names, oneline(text) + end, comment])

    for token in re.findall(rf"{COMMENT}|[(){{}}{end}\n]|[^(){{}}{end}\n/]+|/", body, re.S):
        depth += (token in ("(", "{")) - (token in (")", "}"))
        if token.startswith("/*") and same_line and not text.strip():
            members[-1][2] = oneline(members[-1][2] + " " + comment_text(token))
        elif token.startswith("/*"):
            comment = comment_text(token)
        elif token == end and not depth:
            add()
            text, comment, same_line = "", "", True
        else:
            text += token
            same_line = same_line and token != "\n"
    if text.strip():
        add()
    return members


def parse_declaration(text):
    """What a statement declares; text is without the body."""
    text = oneline(ATTRIBUTE.sub("", text))
    found = re.fullmatch(r"typedef .*?(?:\(\*(\w+)\)\(.*\)|\b(\w+))", text)
    if found:
        return Decl(found[1] or found[2], "typedef", text)
    found = re.fullmatch(r"(struct|enum|union) (\w+)", text)
    if found:
        return Decl(found[2], found[1], text)
    found = re.search(r"(\w+) ?\(", text)
    if found:
        params = split_list(text[found.end() : closing(text, found.end() - 1) - 1])
        kind = "inline" if text.startswith("static inline") else "function"
        return Decl(found[1], kind, text[: found.end()].removeprefix("static inline "), params)
    return None


class Reader:
    """Reads one header, in all its conditional parts."""

    def __init__(self, name, text):
        self.header = Header(name)
        self.macros = {}  # the header's own that define things
        self.read(text)
        self.connect()

    def read(self, text):
        token = re.compile(rf"(?P<gap>\s+)|(?P<comment>{COMMENT})|(?P<directive>#(?:\\\n|{COMMENT}|[^\n])*)",
                           re.S)
        at, group = 0, ""
        while at < len(text):
            found = token.match(text, at)
            if not found:
                at = self.statement(text, at)
                continue
            if found["gap"] and found[0].count("\n") > 1:
                group = ""
            elif found["comment"]:
                group = self.comment(found[0])
            elif found["directive"]:
                self.directive(found[0], group)
            at = found.end()

    def comment(self, comment):
        """Keep a docstring; return the text of a plain comment."""
        if not comment.startswith("/**"):
            return comment_text(comment)
        lines = comment_lines(comment)
        if lines[:1] == ["@file"]:
            self.header.about = paragraphs(lines[1:])
            return ""
        doc = parse_doc(lines)
        if doc:
            doc.header = self.header
            self.header.docs.append(doc)
        else:
            self.header.error(f"no `name - text`: {comment_text(comment)[:60]}")
        return ""

    def directive(self, text, group):
        found = re.match(r"#\s*include <udrv/(\w+)\.h>", text)
        if found:
            self.header.includes.append(found[1])
        comments = " ".join(comment_text(comment) for comment in re.findall(COMMENT, text, re.S))
        plain = re.sub(rf"{COMMENT}|\\\n", " ", text, flags=re.S)
        found = re.match(r"#\s*define\s+(\w+)(\([^)]*\))?\s*(.*)", plain, re.S)
        if not found or re.fullmatch(r"UDRV_\w+_H", found[1]):
            return
        name, params, body = found[1], found[2], oneline(found[3])
        names = split_list(params[1:-1]) if params else []
        if INTERNAL.match(name):
            self.macros.setdefault(name, (names, body))
        elif params:
            self.add(Decl(name, "macro", name + "(", names))
        else:
            hidden = not body or INTERNAL.search(body) or "__attribute__" in body
            text = name if hidden else f"#define {name} {body}"
            self.add(Decl(name, "constant", text, comment=comments, group=group))

    def statement(self, text, at):
        """Read a declaration, or a macro of ours that makes some; return where it ends."""
        word = re.compile(r"\w+").match(text, at)
        if word and word[0] in ("UDRV_BEGIN_DECLS", "UDRV_END_DECLS"):
            return word.end()
        if word and word[0] in self.macros:
            end = closing(text, word.end())
            names, body = self.macros[word[0]]
            values = dict(zip(names, split_list(text[word.end() + 1 : end - 1])))
            body = re.sub(r"\w+", lambda name: values.get(name[0], name[0]), body)
            self.read(re.sub(r"\s*##\s*", "", body))
            return end
        start = next(t for t in re.compile(rf"{COMMENT}|[;{{]", re.S).finditer(text, at) if len(t[0]) == 1)
        before, end, members = text[at : start.start()], start.end(), []
        if start[0] == "{":
            end = closing(text, start.start())
            if not before.rstrip().endswith(")"):  # not a function's body
                separator = "," if re.search(r"\benum\b", before) else ";"
                members = parse_members(text[start.end() : end - 1], separator)
                before += " " + text[end : text.index(";", end)]
                end = text.index(";", end) + 1
        decl = parse_declaration(before)
        if decl:
            decl.members = members
            self.add(decl)
        return end

    def add(self, decl):
        if INTERNAL.match(decl.name) or not re.match(r"(__)?udrv_", decl.name, re.I):
            return
        for same in self.header.decls:
            if (same.name, same.kind) == (decl.name, decl.kind):
                same.members = same.members or decl.members
                return
        self.header.decls.append(decl)

    def connect(self):
        """Give each declaration its docstring."""
        header = self.header
        for doc in header.docs:
            for name in doc.names:
                same = [decl for decl in header.decls if decl.name == name]
                same.sort(key=lambda decl: (decl.kind in TYPES) != doc.is_type)
                if not same:
                    header.error(f"a docstring names {name}, which is not there")
                elif same[0].doc:
                    header.error(f"{name} has two docstrings")
                else:
                    same[0].doc = doc
                    doc.decls.append(same[0])
            known = {param_name(param) for decl in doc.decls for param in decl.all_params()}
            known |= {name for decl in doc.decls for names, *_ in decl.members for name in names}
            for param in sorted(doc.params.keys() - known):
                header.error(f"{doc.page} has no @{param}")
        for decl in header.decls:
            if not decl.doc and decl.kind != "constant":
                header.error(f"{decl.name} has no docstring")
        header.docs = [doc for doc in header.docs if doc.decls]


def read_header(name, text):
    return Reader(name, text).header
