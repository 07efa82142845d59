/** Adds marks of Message Styling (XEP-0393) around the selection of a text, or removes them. */
export type Mark = '*' | '_' | '~' | '`'

export interface Selection {
  text: string
  from: number
  to: number
}

/** A span can't cross lines, so each line of the selection gets its own. */
export function toggle({ text, from, to }: Selection, mark: Mark): Selection {
  const outside = text.charAt(from - 1) === mark && text.charAt(to) === mark && to > from
  if (outside) return replaced(text, from - 1, to + 1, text.slice(from, to))
  const lines = text.slice(from, to).split('\n')
  const filled = lines.filter((line) => line.trim() !== '')
  if (!filled.length) {
    // nothing is selected: the cursor is placed between the marks
    const at = from + 1
    return { text: text.slice(0, from) + mark + mark + text.slice(to), from: at, to: at }
  }
  const all = filled.every((line) => isMarked(line.trim(), mark))
  const changed = lines.map((line) => {
    const inner = line.trim()
    if (!inner) return line
    const start = line.indexOf(inner)
    const now = all ? inner.slice(1, -1) : isMarked(inner, mark) ? inner : mark + inner + mark
    return line.slice(0, start) + now + line.slice(start + inner.length)
  })
  return replaced(text, from, to, changed.join('\n'))
}

function isMarked(line: string, mark: Mark): boolean {
  return line.length > 2 && line.startsWith(mark) && line.endsWith(mark)
}

function replaced(text: string, from: number, to: number, now: string): Selection {
  return { text: text.slice(0, from) + now + text.slice(to), from, to: from + now.length }
}

/**
 * Inserts text into a field as if typed, so that the browser can undo it. Fires `input`. This deprecated command is the
 * only one that the field's undo history supports.
 */
export function type(field: HTMLTextAreaElement, from: number, to: number, text: string): void {
  field.focus()
  field.setSelectionRange(from, to)

  const done = text ? document.execCommand('insertText', false, text) : document.execCommand('delete')
  if (done) return
  field.setRangeText(text, from, to, 'end')
  field.dispatchEvent(new InputEvent('input', { bubbles: true }))
}
