"""The parser, case by case: what RFC 6120 §4, §8 and §11 ask of it."""

from __future__ import annotations

import time

import pytest
from wire_streams import HEADER, condition, facts, feed_all, parse, stanzas, tree, trees

from kith.wire import ns
from kith.wire.errors import StreamError
from kith.wire.limits import Limits
from kith.wire.parser import ParserPool, StreamClosed, StreamOpened, StreamParser
from kith.wire.stanza import LANG, Stanza


def _client(name: str) -> str:
    return ns.tag(ns.CLIENT, name)


# -- the stream ----------------------------------------------------------------------------------------


def test_a_header_tells_its_name_attributes_and_default_namespace() -> None:
    (opened,) = parse(HEADER[:-1] + b" xml:lang='de' from='a@example.com'>")
    assert isinstance(opened, StreamOpened)
    assert opened.tag == ns.tag(ns.STREAMS, "stream")
    assert opened.attrs == {"to": "example.com", "from": "a@example.com", "version": "1.0", LANG: "de"}
    assert opened.default_namespace == ns.CLIENT


def test_a_header_without_a_default_namespace_says_so() -> None:
    (opened,) = parse(b"<s:stream xmlns:s='http://etherx.jabber.org/streams'>")
    assert isinstance(opened, StreamOpened)
    assert opened.default_namespace == ""


def test_the_closing_tag_ends_the_stream_and_nothing_counts_after_it() -> None:
    parser = StreamParser(ParserPool())
    events = feed_all(parser, [HEADER + b"<presence/></stream:stream><presence/>\x00", b"<presence/>"])
    assert [event.__class__ for event in events] == [StreamOpened, Stanza, StreamClosed]


def test_a_header_that_closes_itself_opens_and_ends_the_stream() -> None:
    events = parse(HEADER[:-1] + b"/>")
    assert [event.__class__ for event in events] == [StreamOpened, StreamClosed]


def test_a_header_with_a_greater_than_sign_in_an_attribute_ends_where_it_ends() -> None:
    (_, stanza) = parse(
        HEADER[:-1] + b" from='a>b' id=\"<stream>'\"><presence/>".replace(b"<stream", b"stream")
    )
    assert isinstance(stanza, Stanza)


def test_whitespace_between_stanzas_keeps_the_stream_alive_and_holds_no_parser() -> None:
    parser = StreamParser(ParserPool())
    assert feed_all(parser, [b" ", b"\n", b"\r\n"]) == []
    feed_all(parser, [HEADER])
    for keepalive in (b" ", b"\n", b"\r\n", b"\t", b" " * 100_000):
        assert parser.feed(keepalive) == []
        assert parser.between
    assert len(parser.feed(b" \n<presence/>\n ")) == 1
    assert parser.between


def test_a_stanza_comes_out_with_its_last_byte() -> None:
    parser = StreamParser(ParserPool())
    feed_all(parser, [HEADER])
    stanza = b"<message to='a@example.com' id='1'><body>&lt;\xc3\xa4\xf0\x9f\x98\x80</body></message>"
    for byte in stanza[:-1]:
        assert parser.feed(bytes([byte])) == []
        assert not parser.between
    (event,) = parser.feed(stanza[-1:])
    assert isinstance(event, Stanza)
    assert event.to_bytes() == stanza


def test_stanzas_before_an_error_in_the_same_bytes_are_not_lost() -> None:
    events = parse(HEADER + b"<presence/><message/><!-- x --><presence/>")
    assert [facts(event)[0] for event in events] == ["opened", "stanza", "stanza", "error"]


def test_after_an_error_nothing_is_read() -> None:
    parser = StreamParser(ParserPool())
    parser.feed(HEADER)
    with pytest.raises(StreamError):
        parser.feed(b"</wrong>")
    assert parser.feed(b"<presence/>") == []


def test_a_restarted_stream_begins_with_a_new_header() -> None:
    parser = StreamParser(ParserPool())
    feed_all(parser, [HEADER, b"<auth/>"])
    parser.reset()
    opened, stanza = parser.feed(b" " + HEADER + b"<iq/>")
    assert isinstance(opened, StreamOpened)
    assert isinstance(stanza, Stanza)


@pytest.mark.parametrize("early", [b"<iq", b"<", b"</stream:stream>", b"<!---->", b"<presence><a>"])
def test_what_was_sent_before_a_restart_was_agreed_is_refused(early: bytes) -> None:
    parser = StreamParser(ParserPool())
    feed_all(parser, [HEADER, b"<starttls/>" + early])
    with pytest.raises(StreamError):
        parser.reset()


def test_a_stream_that_is_open_from_the_start_takes_stanzas_at_once() -> None:
    parser = StreamParser(ParserPool(), opened=True)
    (event,) = parser.feed(b"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.com'/>")
    assert isinstance(event, Stanza)
    assert event.tag == ns.tag(ns.FRAMING, "open")
    (event,) = parser.feed(b"<message xmlns='jabber:client'><body>a</body></message>")
    assert isinstance(event, Stanza)
    assert event.kind == "message"


# -- stanzas -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "attrs"),
    [
        (b"<presence/>", {}),
        (b"<presence  />", {}),
        (b"<presence></presence >", {}),
        (b"<presence a='>'/>", {"a": ">"}),
        (b"<presence a='/>'/>", {"a": "/>"}),
        (b"<presence a='/'></presence>", {"a": "/"}),
        (b'<presence a="\'>"\n/>', {"a": "'>"}),
        (b'<presence a=\'"/>\' b="/" />', {"a": '"/>', "b": "/"}),
        (b"<presence a='&lt;&#10;&apos;'/>", {"a": "<\n'"}),
    ],
)
def test_an_empty_stanza_is_whole_however_it_is_written(raw: bytes, attrs: dict[str, str]) -> None:
    one, other = stanzas(raw + b"<iq/>")
    assert (one.tag, one.attrs, one.inner, one.children) == (_client("presence"), attrs, b"", [])
    assert other.kind == "iq"


def test_an_inside_in_the_form_that_is_handed_on_is_the_bytes_as_they_came() -> None:
    inner = b"<body>a &amp; b &lt;</body><x xmlns=\"urn:x\" a='b' xml:lang='de'/> <y><z/></y>"
    (stanza,) = stanzas(b"<message to='a@b'>" + inner + b"</message>")
    assert stanza.inner == inner
    assert stanza.children == [_client("body"), "{urn:x}x", _client("y")]


def test_cdata_is_text() -> None:
    (stanza,) = stanzas(b"<message><body><![CDATA[</body></message> & ]]]]><![CDATA[>]]></body></message>")
    assert stanza.element.findtext(_client("body")) == "</body></message> & ]]>"


_FOREIGN = (
    b"<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:client' "
    b"xmlns:x='urn:x' xmlns:c='jabber:client' version='1.0'>"
)


@pytest.mark.parametrize(
    "raw",
    [
        b"<message><x:foo/></message>",
        b"<message><x:foo x:a='b'>t</x:foo>tail<body>c</body></message>",
        b"<c:message to='a'><c:body>t</c:body></c:message>",
        b"<message xmlns='jabber:client'><foo xmlns='urn:x'><x:bar/></foo></message>",
        b"<x:foo a='b'><x:bar/><s:error/></x:foo>",
        b"<message x:a='1'><body x:b='2' xml:lang='de'>&#13;&lt;</body></message>",
        b"<iq/>",
        b"<c:iq/>",
        b"<message>text</message>",
    ],
)
def test_prefixes_of_the_header_stay_true_inside_of_stanzas(raw: bytes) -> None:
    (stanza,) = stanzas(raw, header=_FOREIGN)
    expected = trees(_FOREIGN + raw + b"</s:stream>")
    assert [tree(stanza.element)] == expected
    if stanza.kind:  # as it is sent on, in an ordinary stream
        assert trees(HEADER + stanza.to_bytes() + b"</stream:stream>") == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"<message xmlns:p='urn:p'><p:foo/></message>",
        b"<message xmlns:p='urn:p' p:a='b'><body/></message>",
        b"<p:message xmlns:p='jabber:client'><p:body/></p:message>",
        b"<p:message xmlns:p='jabber:client' xmlns='urn:x'><foo/><p:body/></p:message>",
        b"<message stream:a='b'><stream:error/></message>",
        b"<message><foo xmlns='urn:x' stream:a='b'/></message>",
        b"<message xmlns:stream='urn:other'><stream:foo/></message>",
        b"<foo xmlns='urn:x'><bar/><body xmlns='jabber:client'/></foo>",
        b"<foo xmlns=''><bar/></foo>",
        b"<message><foo xmlns=''>a<bar/></foo></message>",
        b"<message\nxmlns\n=\n'jabber:client'\n><body\n/></message\n>",
        b"<stream:features><foo/></stream:features>",
    ],
)
def test_prefixes_of_a_stanza_stay_true_inside_of_it(raw: bytes) -> None:
    (stanza,) = stanzas(raw)
    expected = trees(HEADER + raw + b"</stream:stream>")
    assert [tree(stanza.element)] == expected
    if stanza.kind:
        assert trees(HEADER + stanza.to_bytes() + b"</stream:stream>") == expected


def test_the_client_namespace_may_be_declared_on_each_stanza() -> None:
    raw = b"<message xmlns='jabber:client' id='1'><body>a</body></message>"
    (stanza,) = stanzas(raw)
    assert stanza.kind == "message"
    assert stanza.attrs == {"id": "1"}
    assert stanza.inner == b"<body>a</body>"


def test_in_another_default_namespace_a_message_is_no_stanza() -> None:
    header = b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:server'>"
    other, client = stanzas(
        b"<message><body/></message><message xmlns='jabber:client'><a/></message>", header
    )
    assert other.kind == ""
    assert other.tag == "{jabber:server}message"
    assert other.children == ["{jabber:server}body"]
    assert client.kind == "message"
    assert client.children == [_client("a")]


def test_the_language_of_a_stanza_is_an_attribute_in_the_xml_namespace() -> None:
    (stanza,) = stanzas(b"<message xml:lang='de'><body xml:lang='en'>a</body></message>")
    assert stanza.attrs == {LANG: "de"}
    assert stanza.to_bytes() == b"<message xml:lang='de'><body xml:lang='en'>a</body></message>"


# -- what is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b"<!-- comment -->",
        b"<message><!----></message>",
        b"<?pi?>",
        b"<message><body><?php echo ?></body></message>",
        b"<?xml version='1.0'?>",
        b"<message>&foo;</message>",
        b"<message a='&foo;'/>",
    ],
)
def test_xml_that_xmpp_forbids_is_restricted(raw: bytes) -> None:
    assert condition(raw) == "restricted-xml"


@pytest.mark.parametrize(
    "prolog",
    [
        b"<!-- x -->",
        b"<?pi?>",
        b"<!DOCTYPE stream>",
        b"<!DOCTYPE stream SYSTEM 'file:///etc/passwd'>",
        b"<!DOCTYPE a [<!ENTITY b 'c'><!ENTITY d '&b;&b;'>]>",
        b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY % b SYSTEM 'http://127.0.0.1/'>%b;]>",
    ],
)
def test_xml_that_xmpp_forbids_is_restricted_before_the_header_too(prolog: bytes) -> None:
    assert condition(prolog + b"<a/>", header=b"") == "restricted-xml"


@pytest.mark.parametrize(
    "raw",
    [
        b"<message></presence>",
        b"<message a=b/>",
        b"<message a='<'/>",
        b"<message a='b' a='c'/>",
        b"<message xmlns:p='u' xmlns:q='u' p:a='b' q:a='c'/>",
        b"<message>]]></message>",
        b"<message>&#0;</message>",
        b"<message>&#xD800;</message>",
        b"<message>\x00</message>",
        b"<message>\x0b</message>",
        b"<message>\xff</message>",
        b"<message>\xed\xa0\x80</message>",
        b"<message>\xc0\xbc</message>",
        b"<message>&</message>",
        b"<message><!DOCTYPE a></message>",
        b"</message>",
        b"<presence/>\x0b<presence/>",
        b"<message xmlns='a}b'/>",
        b"<>",
        b"< presence/>",
    ],
)
def test_broken_xml_is_not_well_formed(raw: bytes) -> None:
    assert condition(raw) == "not-well-formed"


@pytest.mark.parametrize(
    "raw",
    [
        b"text",
        b"<presence/>text",
        b"a<presence/>",
        b"&#32;",
        b"&amp;",
        b"<![CDATA[ ]]>",
        b"a</stream:stream>",
    ],
)
def test_text_between_stanzas_is_a_bad_format(raw: bytes) -> None:
    assert condition(raw) == "bad-format"


def test_a_prefix_that_nobody_declared_is_a_bad_namespace_prefix() -> None:
    assert condition(b"<p:message/>") == "bad-namespace-prefix"
    assert condition(b"<message p:a='b'/>") == "bad-namespace-prefix"
    assert condition(b"<foo:stream>", header=b"") == "bad-namespace-prefix"


def test_other_encodings_than_utf_8_are_unsupported() -> None:
    assert condition(b"<?xml version='1.0' encoding='ISO-8859-1'?><a>", header=b"") == "unsupported-encoding"
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        for header in (HEADER, HEADER[21:]):
            assert condition(header.decode().encode(encoding), header=b"") == "unsupported-encoding"
    for name in (b"utf-8", b"UTF-8", b"Utf8"):
        (opened,) = parse(HEADER.replace(b"?>", b" encoding='" + name + b"'?>"))
        assert isinstance(opened, StreamOpened)


# -- bounds --------------------------------------------------------------------------------------------

_LIMITS = Limits(stanza_bytes=1000, depth=5, attributes=3, names=50, tag_bytes=200)


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        (b"<a>" + b"b" * 993 + b"</a>", b"<a>" + b"b" * 994 + b"</a>"),
        (b"<a><b><c><d/></c></b></a>", b"<a><b><c><d><e/></d></c></b></a>"),
        (b"<a b='' c='' d=''/>", b"<a b='' c='' d='' e=''/>"),
        (b"<a>" + b"<b/>" * 49 + b"</a>", b"<a>" + b"<b/>" * 50 + b"</a>"),
        (b"<a b='" + b"c" * 190 + b"'/>", b"<a b='" + b"c" * 210 + b"'/>"),
        (b"   " * 500 + b"<a>" + b"b" * 993 + b"</a>", b"<a>" + b"b" * 2000),
    ],
    ids=["stanza", "depth", "attributes", "elements", "tag", "unfinished"],
)
def test_what_passes_a_bound_violates_the_policy(inside: bytes, outside: bytes) -> None:
    stanza, *more = stanzas(inside + inside, limits=_LIMITS)
    assert stanza.tag == _client("a")
    assert len(more) == 1
    assert condition(outside, limits=_LIMITS) == "policy-violation"
    assert condition(inside + outside + inside, limits=_LIMITS) == "policy-violation"
    assert condition(outside, header=_FOREIGN, limits=_LIMITS) == "policy-violation"


@pytest.mark.parametrize(
    "start",
    [
        b"<a b='",
        b"<a ",
        b"<a></a",
        b"<!--",
        b"<?pi ",
        b"&",
        b"<a><![CDATA[",
        b"<a>",
    ],
)
def test_what_never_ends_violates_the_policy(start: bytes) -> None:
    assert condition(start + b"b" * 2000, limits=_LIMITS) == "policy-violation"


def test_a_header_is_bounded_like_a_stanza() -> None:
    for header in (
        b"<?xml version='1.0'?>" + b" " * 2000,
        b"<a b='" + b"c" * 300,
        b"<!DOCTYPE" + b" " * 2000,
    ):
        assert condition(header, header=b"", limits=_LIMITS) == "policy-violation"
    many = b"".join(b" a%d=''" % number for number in range(20))
    assert [facts(event)[:2] for event in parse(b"<a%b>" % many, _LIMITS)] == [("error", "policy-violation")]


def test_stanzas_of_the_default_size_pass_and_larger_ones_do_not() -> None:
    fits = b"<message><body>" + b"a" * (512 * 1024 - 32) + b"</body></message>"
    (stanza,) = stanzas(fits)
    assert len(stanza.inner) == len(fits) - 19
    assert condition(fits.replace(b"<body>", b"<body>a")) == "policy-violation"


def test_a_large_stanza_in_tiny_pieces_costs_no_more_than_its_size_allows() -> None:
    parser = StreamParser(ParserPool())
    parser.feed(HEADER)
    data = b"<message><body>" + b"a" * 500_000 + b"</body></message>"
    begin = time.process_time()
    events = feed_all(parser, [data[at : at + 2] for at in range(0, len(data), 2)])
    assert len(events) == 1
    assert time.process_time() - begin < 5


# -- the pool ------------------------------------------------------------------------------------------


def test_streams_between_two_stanzas_share_one_parser() -> None:
    pool = ParserPool()
    parsers = [StreamParser(pool) for _ in range(100)]
    feed_all(parsers[0], [HEADER, b"<presence/>"])
    pooled = list(pool._free)
    for parser in parsers[1:]:
        assert len(feed_all(parser, [HEADER])) == 1
    for parser in parsers:
        assert len(parser.feed(b"<presence/><iq/>")) == 2
        assert parser.between
    assert pooled[0] in pool._free
    assert len(pool._free) <= 16


@pytest.mark.parametrize(
    "header",
    [
        b"<stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
        b"<foo xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
        b"<stream:foo xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
        b"<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams'>",
        b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>",
        b"<stream:stream xmlns='jabber:client' xmlns:stream='urn:streams'>",
        b"<stream:stream xmlns='jabber:client' xmlns:x='urn:x' xmlns:stream='http://etherx.jabber.org/streams'>",
    ],
)
def test_a_parser_that_saw_an_unusual_header_serves_nobody_else(header: bytes) -> None:
    pool = ParserPool()
    odd = StreamParser(pool)
    feed_all(odd, [header, b"<presence/>"])
    assert not pool._free
    events = feed_all(odd, [b"<iq/>", b"<iq/>", b"</" + header[1:].split()[0] + b">"])
    assert [event.__class__ for event in events] == [Stanza, Stanza, StreamClosed]


def test_a_parser_that_failed_serves_nobody_else() -> None:
    for wrong in (b"<a", b"</a>", b"<!---->", b"text", b"<a>" * 100, b"</stream:stream>"):
        pool = ParserPool()
        feed_all(StreamParser(pool), [HEADER, b"<presence/>", wrong])
        assert not pool._free, wrong


def test_what_one_stream_declares_another_does_not_know() -> None:
    pool = ParserPool(keep=1)
    feed_all(StreamParser(pool), [HEADER, b"<message xmlns:p='urn:p'><p:a/></message>"])
    (*_, error) = feed_all(StreamParser(pool), [HEADER, b"<message><p:a/></message>"])
    assert isinstance(error, StreamError)
    assert error.condition == "bad-namespace-prefix"
