"""What hypothesis draws for codecs and the ledger: records, spans, batches, to their limits."""

from hypothesis import strategies as st

from tidegate.limits import BOOT_MAX, SEQ_MAX, TICKS_MS_MAX
from tidegate.records.clock import Boot
from tidegate.records.record import Record, fold, pack_properties
from tidegate.records.span import Gap, Span, reason_text
from tidegate.records.stream import Stream, identity_text
from tidegate.wire.batch import Batch

hashes = st.integers(0, 0xFFFFFFFF)
identities = st.integers(0, (1 << 64) - 1).map(identity_text)
lanes = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=16)
streams = st.builds(Stream, identities, identities, lanes)
topics = st.text(st.characters(codec="utf-8", exclude_characters="\0+#"), min_size=1).map(
    lambda text: text.encode()
)
properties = st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9)), max_size=3).map(
    pack_properties
)
reasons = st.text().map(reason_text)
ticks = st.integers(0, TICKS_MS_MAX)
boots = st.builds(
    Boot,
    st.integers(0, BOOT_MAX),
    identities,
    st.integers(-TICKS_MS_MAX, TICKS_MS_MAX),
    st.integers(0, 2),
)
flags = st.sampled_from([0, 1, 2, 4, 5, 6])


@st.composite
def spans(draw, length_max=30):
    """Draw a span of records and gaps over a few boots and topics."""
    all_boots = draw(st.lists(boots, min_size=1, max_size=4, unique_by=lambda boot: boot.number))
    known_topics = draw(st.lists(topics, min_size=1, max_size=4))
    records_drawn = st.builds(
        Record,
        st.sampled_from([boot.number for boot in all_boots]),
        ticks,
        st.sampled_from(known_topics),
        st.binary(max_size=40),
        flags,
        properties,
    )
    first = draw(st.one_of(st.integers(1, 50), st.integers(1, SEQ_MAX - 50 * length_max)))
    hash_before = draw(hashes)
    pieces = draw(
        st.lists(st.one_of(st.just(None), st.integers(1, 40)), min_size=1, max_size=length_max)
    )
    records, record_hashes, gaps = [], [], []
    at, running = first, hash_before
    for gap_length in pieces:
        if gap_length is None:
            record = draw(records_drawn)
            running = fold(running, record)
            records.append(record)
            record_hashes.append(running)
            at += 1
        else:
            running = draw(hashes)
            gaps.append(Gap(at, at + gap_length - 1, running, draw(reasons)))
            at += gap_length
    named = sorted({record.boot for record in records})
    by_number = {boot.number: boot for boot in all_boots}
    used = [by_number[number] for number in named]
    return Span(first, at - 1, hash_before, records, record_hashes, gaps, used, 0)


batches = st.builds(Batch, streams, spans(), st.integers(0, BOOT_MAX), ticks)
