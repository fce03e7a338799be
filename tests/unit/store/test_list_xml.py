"""Pages of listings, as stores write them."""

from __future__ import annotations

import pytest

from mam.errors import StoreUnavailable
from mam.store.info import ObjectInfo
from mam.store.list_xml import parse

PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>films</Name><IsTruncated>{more}</IsTruncated>
<NextContinuationToken>token==</NextContinuationToken><EncodingType>url</EncodingType>
<Contents><Key>a%2Fb+c%C3%BC.mp4</Key><LastModified>2026-11-25T12:00:00.123Z</LastModified>
<ETag>&#34;abc-2&#34;</ETag><Size>5</Size><Owner><ID>x</ID></Owner></Contents>
<CommonPrefixes><Prefix>a%2Fd+%C3%A9/</Prefix></CommonPrefixes></ListBucketResult>"""


def test_a_page_has_its_objects_and_folders_and_says_where_it_goes_on() -> None:
    rows, token = parse(PAGE.format(more="true").encode())
    assert rows == [ObjectInfo("a/b cü.mp4", 5, "abc-2", "abc-2", 1795608000), ObjectInfo("a/d é/")]
    assert token == "token=="


def test_the_last_page_has_no_token() -> None:
    assert parse(PAGE.format(more="false").encode())[1] == ""


def test_what_is_not_encoded_is_taken_as_it_stands() -> None:
    text = "<ListBucketResult><Contents><Key>a+b%41</Key></Contents></ListBucketResult>"
    assert parse(text.encode()) == ([ObjectInfo("a+b%41")], "")


@pytest.mark.parametrize("data", [b"", b"<html>", b"<a><Contents></Contents></a>"])
def test_what_is_no_page_is_an_error_of_the_store(data: bytes) -> None:
    with pytest.raises(StoreUnavailable):
        parse(data)
