"""A lane's chain: groups, segments that are begun and go, and how little is read and written."""

from model_medium import ModelFlash
from support import raises
from tidegate.delivery.chance import Chance
from tidegate.records.record import Record, fold_all
from tidegate.store.account import Account
from tidegate.store.chain import Chain
from tidegate.store.frame import Damage, scan
from tidegate.store.journal import OVERFLOW, Admitted, Dropped, Forgotten, Released
from tidegate.store.log import open_log
from tidegate.store.segment import read_segment
from tidegate.store.segments import Segments, Sizes
from tidegate.store.summary import SUMMARY, SYNCED

NODE = "00c0ffee00c0ffee"
SIZES = Sizes(2048, 512, 256, 1 << 16)
ALL = 1 << 30


def new_chain(flash):
    segments = Segments(flash.open(), NODE, 0, SIZES)
    chain = Chain(segments, Account("main", "e" * 16), [], False, list)
    chain.begin()
    return chain


def admit(chain, count, size=40):
    account = chain.ahead
    first = account.last + 1
    records = [
        Record(1, seq, b"site/a", b"%0*d" % (size, seq), 0, b"")
        for seq in range(first, first + count)
    ]
    hashes = fold_all(account.last_hash, records)
    chain.append(Admitted("main", first, hashes, records))
    return records


def kinds(flash, number):
    segment, start = read_segment(flash.synced[number])
    seed = Segments(None, segment.node, 0, SIZES).seed(number)
    found = list(scan(flash.synced[number][start:], seed))
    assert not [item for item in found if isinstance(item, Damage)]
    return [item.kind for item in found]


def test_a_group_ends_with_what_holds_then():
    flash = ModelFlash()
    chain = new_chain(flash)
    admit(chain, 3)
    chain.sync()
    chain.sync()
    assert kinds(flash, 1) == [SUMMARY, SYNCED, 1, 1, 1, SYNCED]


def test_nothing_that_was_spilled_is_seen_before_the_sync():
    flash = ModelFlash()
    chain = new_chain(flash)
    admit(chain, 40)  # Many times the buffer.
    assert chain.seen.last == 0
    assert chain.read(1, ALL, ALL, {}).last == 0
    before = len(flash.synced[1])
    chain.sync()
    assert len(flash.synced[1]) > before + 40 * 40
    assert len(chain.read(1, ALL, ALL, {}).records) == 40


def test_a_group_never_spans_segments():
    flash = ModelFlash()
    chain = new_chain(flash)
    for _ in range(12):
        admit(chain, 7)
        chain.sync()
    assert len(flash.synced) > 3
    for number in flash.synced:
        found = kinds(flash, number)
        assert (found[0], found[-1]) == (SUMMARY, SYNCED)
    assert len(chain.read(1, ALL, ALL, {}).records) == 84


def test_segments_go_when_nothing_in_them_is_wanted():
    flash = ModelFlash()
    chain = new_chain(flash)
    for _ in range(12):
        admit(chain, 7)
        chain.sync()
    stored = chain.live_bytes()
    chain.append(Released("main", 40, 40))
    chain.append(Forgotten("main", 40))
    chain.sync()
    assert 1 not in flash.synced
    assert chain.live_bytes() < stored * 0.6
    chain.append(Dropped("main", 41, 84, None, OVERFLOW, False))
    chain.sync()
    assert len(flash.synced) <= 2
    assert [gap[:2] for gap in chain.read(41, ALL, ALL, {}).gaps] == [(41, 84)]


def test_a_segment_that_one_record_pins_counts_as_it_is_on_the_medium():
    flash = ModelFlash()
    chain = new_chain(flash)
    for _ in range(30):
        admit(chain, 1)
        first = chain.ahead.last + 1
        # Refused on arrival: nothing is stored but that it was.
        chain.append(Dropped("main", first, first + 99, 7, OVERFLOW, False))
        chain.sync()
    on_medium = sum([len(data) for data in flash.synced.values()])
    assert len(flash.synced) > 2
    assert chain.live_bytes() >= on_medium * 0.95
    chain.append(Dropped("main", 1, 1, None, OVERFLOW, False))
    chain.sync()
    assert chain.live_bytes() < sum([len(data) for data in flash.synced.values()])


def test_what_was_just_read_is_not_read_again_to_be_released():
    flash = ModelFlash()
    chain = new_chain(flash)
    for _ in range(12):
        admit(chain, 7)
        chain.sync()
    span = chain.read(1, 20, ALL, {})
    before = flash.read_bytes
    chain.append(Released("main", span.last, len(span.records)))
    chain.sync()
    assert flash.read_bytes == before
    assert chain.seen.held_records == 64
    # Exact all the same, also where it has to be counted.
    chain.append(Released("main", 33, 13))
    chain.sync()
    assert flash.read_bytes > before
    assert chain.seen.held_bytes == 51 * (40 + 6 + 40)


def test_hashes_and_sizes_of_what_is_not_synced_are_known():
    flash = ModelFlash()
    chain = new_chain(flash)
    admit(chain, 2)
    chain.sync()
    admit(chain, 4)
    chain.append(Released("main", 4, 4))
    chain.append(Forgotten("main", 3))
    chain.append(Dropped("main", 5, 5, None, OVERFLOW, False))
    chain.sync()
    assert (chain.seen.held_records, chain.seen.held_bytes) == (1, 86)
    span = chain.read(4, ALL, ALL, {})
    assert (span.last, span.damaged) == (6, 0)


def test_a_record_that_is_gone_leaves_the_ones_behind_it_whole():
    flash = ModelFlash()
    chain = new_chain(flash)
    admit(chain, 6)
    chain.sync()
    data = bytearray(flash.synced[1])
    at = bytes(data).find(b"%040d" % 3)
    data[at] ^= 1
    flash.synced[1] = bytes(data)
    span = chain.read(1, ALL, ALL, {})
    assert (span.last, span.damaged) == (2, 3)
    chain.append(Dropped("main", 3, 3, None, "quarantined: damaged", True))
    chain.sync()
    span = chain.read(1, ALL, ALL, {})
    assert (span.last, span.damaged, len(span.records)) == (6, 0, 5)
    # Where the damaged one was delivered before, a reader begins right behind it.
    assert chain.read(4, ALL, ALL, {}).hash_before == span.gaps[0].hash_at


def test_contradictions_are_our_own_bug():
    chain = new_chain(ModelFlash())
    admit(chain, 2)
    chain.sync()
    with raises(ValueError):
        chain.append(Released("main", 3, 1))
    with raises(ValueError):
        chain.read(4, 1, 1, {})


def test_a_chain_that_is_opened_again_goes_on_in_its_newest_segment():
    flash = ModelFlash()
    log = open_log(flash.open(), ["main"], Chance(1), SIZES)
    log.close()
    assert len(flash.synced) == 1
    for _ in range(3):
        log = open_log(flash.open(), ["main"], Chance(2), SIZES)
        log.append([Released("main", 0, 0)])
        log.sync()
        log.close()
    assert len(flash.synced) == 1
