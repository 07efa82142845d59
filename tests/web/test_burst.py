"""Nothing that was entered is lost: bursts, reloads in the same moment, two windows with one draft."""

from __future__ import annotations

import json

from tests.web.device import until
from tests.web.people import People
from tests.web.person import Someone

#: Enters texts as fast as a page can, by events of the keyboard; gives the milliseconds until all are in the
#: conversation (the row's end), and until all are sent.
ENTER = """(async ({ prefix, count, wait }) => {
  const field = document.querySelector('textarea');
  const begun = performance.now();
  for (let number = 0; number < count; number++) {
    field.value = `${prefix} ${number}`;
    field.dispatchEvent(new InputEvent('input', { bubbles: true }));
    field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
  }
  if (!wait) return [];
  const found = [];
  const rows = () => [...document.querySelectorAll('.message.mine')]
    .filter((row) => row.querySelector('.text')?.textContent.startsWith(prefix + ' '));
  const until = async (holds) => {
    while (!holds()) await new Promise((done) => setTimeout(done, 5));
    found.push(performance.now() - begun);
  };
  await until(() => rows().length === count);
  await until(() => rows().every((row) => !['waiting', 'failed'].includes(
    row.querySelector('[data-progress]').dataset.progress)));
  return found;
})(%s)"""


async def enter(person: Someone, prefix: str, count: int, wait: bool = True) -> list[float]:
    given = json.dumps({"prefix": prefix, "count": count, "wait": wait})
    found: list[float] = await person.evaluate(ENTER % given)
    return found


async def stored(person: Someone, prefix: str) -> list[str]:
    messages = [one for one in await person.stored("messages") if one["mine"]]
    texts = [one["text"] for one in sorted(messages, key=lambda one: (one["at"], one["order"]))]
    return [text for text in texts if text.startswith(f"{prefix} ")]


async def test_a_burst_of_messages_is_shown_and_sent_and_survives_a_reload_in_the_same_moment(
    people: People,
) -> None:
    ada, ben = await people.two()
    shown, sent = await enter(ada, "burst", 100)
    print(f"100 messages: in the own chat after {shown:.0f} ms, sent after {sent:.0f} ms")
    expected = [f"burst {number}" for number in range(100)]
    assert await stored(ada, "burst") == expected

    async def arrived() -> bool:
        texts = [one for one in await ben.stored("messages") if one["text"].startswith("burst ")]
        texts.sort(key=lambda one: (one["at"], one["order"]))
        return [one["text"] for one in texts] == expected

    await until(arrived)

    await ada.evaluate(
        ENTER % json.dumps({"prefix": "reload", "count": 40, "wait": False})
        + ".then(() => location.reload())"
    )
    await ada.shows(".history.placed")
    await ada.reads("reload 39")
    assert await stored(ada, "reload") == [f"reload {number}" for number in range(40)]
    await ben.reads("reload 39")
    assert await ada.on("textarea", "inputValue") == ""


async def test_a_text_typed_just_before_a_reload_stands_in_the_composer_again(people: People) -> None:
    ada, _ = await people.two()
    await ada.evaluate(
        "(() => { const field = document.querySelector('textarea'); field.value = 'half a sent';"
        " field.dispatchEvent(new InputEvent('input', { bubbles: true })); location.reload() })()"
    )
    await ada.shows(".history.placed")
    assert await ada.on("textarea", "inputValue") == "half a sent"


async def test_two_windows_have_one_draft(people: People) -> None:
    ada, ben = await people.two()
    await ada.do("tab", 1)
    await ada.open(f"#/chat/{ben.address}")
    await ada.shows(".history.placed")
    await ada.do("tab", 0)
    await ada.on("textarea", "fill", "begun here")
    await ada.do("tab", 1)

    async def begun() -> bool:
        return bool(await ada.on("textarea", "inputValue") == "begun here")

    await until(begun)
    await ada.on("textarea", "fill", "begun here, ended there")
    await ada.do("key", "Enter")
    await ada.reads("begun here, ended there")
    await ada.do("tab", 0)

    async def empty() -> bool:
        return bool(await ada.on("textarea", "inputValue") == "")

    await until(empty)
    await ada.reads("begun here, ended there")
