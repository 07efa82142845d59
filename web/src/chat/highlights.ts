/**
 * Highlights search results in the drawn messages without changing their nodes (CSS Custom Highlight API). Browsers
 * without it highlight nothing.
 */
import type { Attachment } from 'svelte/attachments'
import { isSought } from '../local/words'
import { marked } from '../parts/marked'

/** The name in `styles/controls.css`. */
const NAME = 'sought'

export function highlights(wanted: string): Attachment<HTMLElement> | undefined {
  if (!isSought(wanted) || typeof Highlight === 'undefined') return undefined
  return (root) => {
    const mark = (): void => {
      const all = [...root.querySelectorAll('.text')].flatMap((text) => ranges(text, wanted))
      CSS.highlights.set(NAME, new Highlight(...all))
    }
    mark()
    const watcher = new MutationObserver(mark)
    watcher.observe(root, { childList: true, characterData: true, subtree: true })
    return () => {
      watcher.disconnect()
      CSS.highlights.delete(NAME)
    }
  }
}

function ranges(element: Element, wanted: string): Range[] {
  const found: Range[] = []
  const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) {
    const node = texts.currentNode
    let at = 0
    for (const { text, hit } of marked(node.nodeValue ?? '', wanted)) {
      const end = at + text.length
      if (hit) {
        const range = new Range()
        range.setStart(node, at)
        range.setEnd(node, end)
        found.push(range)
      }
      at = end
    }
  }
  return found
}
