"""The screens are for everybody: screen readers, keyboards, weak eyes, other languages and directions."""

from __future__ import annotations

from tests.web.people import People
from tests.web.person import DESKTOP, PHONE, Someone

#: Behind the address's #, with the person whom one chats with as {}; and what is there when it is drawn.
SCREENS = {
    "": ".chat-row",
    "/chat/{}": ".history.placed .message",
    "/chat/{}/info": ".side h2",
    "/chat/{}/safety": ".side .digits",
    "/new": ".pane li",
    "/archived": ".pane h1",
    "/starred": ".pane .none",
    "/calls": ".pane .none",
    "/requests": ".pane .none",
    "/status": ".pane .none",
    "/settings": ".pane nav",
    "/settings/profile": ".pane form",
    "/settings/privacy": ".pane button.row",
    "/settings/devices": ".pane li",
    "/settings/link": ".pane form",
    "/settings/apps": ".pane form",
    "/settings/pin": ".pane form",
    "/settings/notifications": ".pane h1",
    "/settings/look": ".pane fieldset",
    "/settings/storage": ".pane dl",
    "/settings/backup": ".pane .file",
    "/settings/history": ".pane .wait",
    "/settings/about": ".pane dl",
    "/settings/delete": ".pane form",
}
TOO_WIDE = "document.documentElement.scrollWidth > innerWidth"


#: What one types into and can hardly see the edge of: less than 3:1 to what is around it (WCAG 2.2, 1.4.11).
FAINT = """(() => {
  const parts = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const seen = (colour) => { const [, , , alpha = 1] = parts(colour); return alpha > 0.5; };
  const luminance = (colour) => parts(colour).slice(0, 3).map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if (seen(colour)) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const edge = (element) => {
    const style = getComputedStyle(element);
    if (style.outlineStyle !== 'none' && seen(style.outlineColor)) return style.outlineColor;
    const border = parseFloat(style.borderTopWidth) > 0 && seen(style.borderTopColor);
    return border ? style.borderTopColor : ground(element);
  };
  return [...document.querySelectorAll('input:not([type=file]), textarea')]
    .filter((one) => one.checkVisibility())
    .filter((one) => {
      const two = [luminance(edge(one)), luminance(ground(one.parentElement))];
      const [dark, light] = two.sort((a, b) => a - b);
      return (light + 0.05) / (dark + 0.05) < 3;
    })
    .map((one) => one.outerHTML);
})()"""


#: What fades in has other colours until it is there.
AT_REST = """(async () => {
  const moving = () => document.getAnimations()
    .filter((one) => one.effect.getComputedTiming().endTime !== Infinity)
  const drawn = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))
  do {
    await Promise.allSettled(moving().map((one) => one.finished))
    await drawn()
  } while (moving().some((one) => one.playState === 'running'))
  return true
})()"""


async def expect_sound(person: Someone, what: str, wide: bool = True) -> None:
    """What is on the screen is for everybody, and not wider than it, once it has come to rest."""
    await person.evaluate(AT_REST)
    assert await person.evaluate(FAINT) == [], what
    assert await person.do("axe") == [], what
    assert not await person.evaluate(TOO_WIDE), what


async def test_every_screen_is_for_everybody(people: People) -> None:
    """axe-core finds nothing, on a wide light screen and a small dark one."""
    ada, ben = await people.two(
        DESKTOP, {**PHONE, "colorScheme": "dark", "viewport": {"width": 320, "height": 640}}
    )
    # Chromium has forgotten it when somebody else connects
    await ben.do("page", "emulateMedia", {"colorScheme": "dark"})
    for person, other in ((ada, ben), (ben, ada)):
        for path, there in SCREENS.items():
            await person.open(f"#{path.format(other.address)}")
            await person.shows(there)
            await expect_sound(person, path)
    themes = [await person.evaluate("document.documentElement.dataset.theme") for person in (ada, ben)]
    assert themes == ["light", "dark"]
    await ada.open(f"#/chat/{ben.address}")
    await ada.on(f"{ada.bubble('Hello')} .bubble", "click", {"button": "right"})
    await expect_sound(ada, "the menu of a message")
    await ada.do("key", "Escape")
    await ada.press("Emojis")
    await ada.shows(".picker section button")
    await expect_sound(ada, "the emojis")
    await ada.press("Search in this chat")
    await ada.on("header input", "fill", "Hello")
    await ada.shows("text=1 of 1")
    await expect_sound(ada, "the search")


FILLED_IN_AT_ONCE = """
new MutationObserver((_, observer) => {
  const field = document.querySelector('input[name=number]')
  if (!field) return
  observer.disconnect()
  field.value = 'NUMBER'
  field.dispatchEvent(new Event('input', { bubbles: true }))
}).observe(document.body, { childList: true, subtree: true })
"""


async def test_the_start_is_for_everybody(people: People) -> None:
    ada = await people.one("Ada")
    await ada.open()
    await ada.shows(".flag:not(:empty)")
    await expect_sound(ada, "number")
    await ada.on(".country", "click")
    await ada.on("dialog input", "fill", "deut")
    await expect_sound(ada, "countries")
    await ada.do("key", "Escape")
    await ada.fill("Phone number", "12")
    await ada.press("Continue")
    await ada.shows("[role=alert]:has-text('a valid phone number')")
    await expect_sound(ada, "a number that is none")
    await ada.press("Log in with a QR code")
    await ada.shows("svg[role=img][aria-label]")
    await expect_sound(ada, "link")
    # what a browser fills in before the rules for numbers are loaded counts as well
    await ada.evaluate(FILLED_IN_AT_ONCE.replace("NUMBER", ada.number))
    await ada.press("Use phone number instead")
    await ada.press("Continue")
    await ada.on("input[name=code]", "fill", "000000")
    await ada.shows("[role=alert]:has-text('Wrong code')")
    await expect_sound(ada, "code")


async def test_it_speaks_german_and_can_be_read_from_right_to_left(people: People) -> None:
    ada, ben = await people.two()
    await ada.open("#/settings/look")
    await ada.on("label:has-text('Deutsch') input", "click")
    await ada.shows("h1:text-is('Darstellung und Sprache')")
    assert await ada.evaluate("document.documentElement.lang") == "de"
    await ada.do("page", "reload")
    await ada.shows("h1:text-is('Darstellung und Sprache')")
    await ada.open(f"#/chat/{ben.address}")
    await ada.shows(".history.placed .message")
    await ada.evaluate("document.documentElement.dir = 'rtl'")
    box = await ada.on(".list", "boundingBox")
    assert box["x"] > 600
    mine = await ada.on(".message.mine .bubble", "boundingBox")
    assert mine["x"] < 200
    assert not await ada.evaluate(TOO_WIDE)


async def test_everything_can_be_done_without_a_mouse(people: People) -> None:
    ada, _ = await people.two()
    await ada.shows("textarea:focus")
    await ada.on("textarea", "type", "by keys")
    await ada.do("key", "Enter")
    await ada.reads("by keys")
    for key in ("Shift+Tab", "Shift+Tab", "Shift+Tab"):  # over emojis and files to the newest message
        await ada.do("key", key)
    await ada.shows(f"{ada.bubble('by keys')}:focus")
    await ada.do("key", "ArrowUp")
    await ada.shows(f"{ada.bubble('Hello')}:focus")
    await ada.do("key", "Enter")
    await ada.shows("[role=menu] [role=menuitem]:focus")
    await ada.do("key", "Escape")
    await ada.shows(f"{ada.bubble('Hello')}:focus")
    await ada.do("key", "Enter")
    await ada.do("key", "Enter")  # the first of the quick reactions
    await ada.shows(".reactions button:has-text('👍')")
    await ada.do("key", "Escape")
    await ada.shows(".chat .empty")
