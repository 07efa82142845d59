/** Tells elements that they come near the screen, and that they are far from it again. */

/** CSS pixels around what is visible. */
const NEAR = '600px'

interface Watched {
  seen(): void
  gone(): void
}

interface Watch {
  observer: IntersectionObserver
  elements: Map<Element, Watched>
}

/** One observer for everything in the same scrolled box: its margin counts there alone, not in the page. */
const watches = new Map<Element | null, Watch>()

function watchIn(root: Element | null): Watch {
  const known = watches.get(root)
  if (known) return known
  const elements = new Map<Element, Watched>()
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const watched = elements.get(target)
        if (isIntersecting) watched?.seen()
        else watched?.gone()
      }
    },
    { root, rootMargin: NEAR }
  )
  const made = { observer, elements }
  watches.set(root, made)
  return made
}

/** Calls `seen` when an element comes near the screen, and `gone` when it is far from it again. */
export function nearScreen(seen: () => void, gone: () => void = () => undefined) {
  return (element: HTMLElement): (() => void) => {
    const root = element.closest('.scroll')
    const { observer, elements } = watchIn(root)
    elements.set(element, { seen, gone })
    observer.observe(element)
    return () => {
      observer.unobserve(element)
      elements.delete(element)
      if (elements.size) return
      observer.disconnect()
      watches.delete(root)
    }
  }
}
