"""What strangers send, and browsers that keep nothing: the app shows what it has and complains of nothing."""

from __future__ import annotations

import json

from tests.web.people import People
from tests.web.person import DESKTOP, PHONE

#: The browser's storage is forbidden, as by a setting against cookies.
FORBIDDEN = """(() => {
  const denied = () => { throw new DOMException('denied', 'SecurityError') };
  Object.defineProperty(window, 'localStorage', { get: denied });
  Object.defineProperty(window, 'indexedDB', { get: denied });
})()"""
#: It has no more room beside the database.
FULL = """Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }"""
#: As an earlier version of the app would have stored it.
ODD = """new Promise((done) => { indexedDB.open(%s).onsuccess = ({ target }) => {
  const store = target.result.transaction('messages', 'readwrite').objectStore('messages')
  store.getAll().onsuccess = ({ target: { result: all } }) => {
    for (const message of all) {
      const odd = ['\\u202eabc', '\\ud83d', 'x'.repeat(5000)]
      const names = ['__proto__', 'constructor', 'toString', ...odd]
      message.reactions = Object.fromEntries([['__proto__', ['👍']], [message.chat, names]])
      store.put(message)
      store.put({ ...message, key: message.key + 'x', order: message.order + 'x', text: 5 })
    }
    store.transaction.oncomplete = () => { target.result.close(); done(all.length) }
  }
} })"""


async def test_a_browser_that_keeps_nothing_says_so(people: People) -> None:
    person = await people.one("Ada")
    person.provoked = ("nothing can be kept here",)
    await person.do("page", "addInitScript", {"content": FORBIDDEN})
    await person.open()
    await person.shows("main.broken p")


async def test_whatever_came_before_is_drawn_and_nothing_is_lost_without_room(people: People) -> None:
    ada, ben = await people.two(DESKTOP, PHONE)
    ada.provoked = ("not drawn",)
    assert await ada.evaluate(ODD % json.dumps(f"kith {ada.address}"))
    await ada.do("page", "addInitScript", {"content": FULL})
    await ada.do("page", "reload")
    await ada.shows(".history.placed")
    await ada.shows(".reactions button:has-text('constructor')")
    # a message that can't be drawn says so, and costs the others nothing
    await ada.shows(".about:has-text('A message can’t be shown by this version of Kith.')")
    await ada.write("still here")
    await ben.reads("still here")
    await ada.menu("still here", "React with ❤️")
    await ben.shows(".reactions button:has-text('❤️')")
    await ada.do("page", "reload")
    await ada.reads("still here")
