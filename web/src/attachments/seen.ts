/** Calls `seen` when an element comes near the screen, and `gone` when it is far from it again. */
export function nearScreen(seen: () => void, gone: () => void = () => undefined) {
  return (element: HTMLElement): (() => void) => {
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.at(-1)?.isIntersecting) seen()
        else gone()
      },
      { rootMargin: '600px' }
    )
    observer.observe(element)
    return () => {
      observer.disconnect()
    }
  }
}
