/**
 * Parses Message Styling (XEP-0393 1.1): *strong*, _emphasis_, ~strike~, `code`, code blocks and quotations; and lists,
 * as WhatsApp has them. The result is a tree of plain values, which is never turned into markup. Parsing takes linear
 * time.
 */
export type Inline = Letters | Span
interface Letters {
  kind: 'text' | 'code'
  text: string
}
interface Span {
  kind: 'strong' | 'emphasis' | 'strike'
  children: Inline[]
}

export interface Item {
  /** The number as it was written; 0: a bullet. */
  number: number
  content: Inline[]
}

export type Block =
  /** One or more lines, each with its own spans, separated by text nodes with a newline. */
  | { kind: 'lines'; content: Inline[] }
  | { kind: 'code'; text: string }
  | { kind: 'quote'; blocks: Block[] }
  | { kind: 'list'; ordered: boolean; items: Item[] }

/** The maximum depth of quotations; deeper ones stay as they were written. */
const DEEPEST = 8
const SPACE = /[\p{White_Space}\p{Z}]/u
const FENCE = '```'
const BULLET = /^[*-][ \t]+(?=[^ \t])/
const NUMBER = /^(\d{1,4})\.[ \t]+(?=[^ \t])/
const KINDS = { '*': 'strong', _: 'emphasis', '~': 'strike', '`': 'code' } as const
type Directive = keyof typeof KINDS

export function parse(text: string): Block[] {
  return blocksOf(text.split('\n'), 0)
}

function blocksOf(lines: string[], depth: number): Block[] {
  const blocks: Block[] = []
  let at = 0
  while (at < lines.length) {
    const line = lines[at] ?? ''
    if (line.startsWith(FENCE)) {
      const { block, next } = codeBlock(lines, at)
      blocks.push(block)
      at = next
    } else if (line.startsWith('>') && depth < DEEPEST) {
      const quoted: string[] = []
      for (; lines[at]?.startsWith('>'); at++) quoted.push(unquoted(lines[at] ?? ''))
      blocks.push({ kind: 'quote', blocks: blocksOf(quoted, depth + 1) })
    } else {
      take(blocks, line)
      at += 1
    }
  }
  return blocks
}

/** A quoted line without its sign, and one space after it. */
function unquoted(line: string): string {
  return line.slice(SPACE.test(line.charAt(1)) ? 2 : 1)
}

/** The index after a code block, which ends with a line of three backticks, or where its parent ends. */
function codeBlock(lines: string[], at: number): { block: Block; next: number } {
  const first = lines[at] ?? ''
  // ```one line``` is not an opening, since its text would be hidden
  if (first.length > 2 * FENCE.length && first.endsWith(FENCE))
    return { block: { kind: 'code', text: first.slice(FENCE.length, -FENCE.length) }, next: at + 1 }
  const end = lines.findIndex((line, index) => index > at && line === FENCE)
  const content = lines.slice(at + 1, end < 0 ? undefined : end)
  const text = content.length ? content.join('\n') : first.slice(FENCE.length)
  return { block: { kind: 'code', text }, next: end < 0 ? lines.length : end + 1 }
}

/** Parses a plain line, or a list item. */
function take(blocks: Block[], line: string): void {
  const last = blocks.at(-1)
  const number = NUMBER.exec(line)
  const sign = number ?? BULLET.exec(line)
  if (sign) {
    const item = { number: Number(number?.[1] ?? 0), content: spans(line.slice(sign[0].length)) }
    const ordered = number !== null
    if (last?.kind === 'list' && last.ordered === ordered) last.items.push(item)
    else blocks.push({ kind: 'list', ordered, items: [item] })
  } else if (last?.kind === 'lines') last.content.push({ kind: 'text', text: '\n' }, ...spans(line))
  else blocks.push({ kind: 'lines', content: spans(line) })
}

function spans(line: string): Inline[] {
  if (!/[*_~`]/.test(line)) return line ? [{ kind: 'text', text: line }] : []
  return between(line, 0, line.length, closers(line))
}

/** Where spans of each kind may end: after anything but white space. In order. */
function closers(line: string): Record<Directive, number[]> {
  const found: Record<Directive, number[]> = { '*': [], _: [], '~': [], '`': [] }
  for (let at = 1; at < line.length; at++) {
    const sign = line.charAt(at)
    if (isDirective(sign) && !SPACE.test(line.charAt(at - 1))) found[sign].push(at)
  }
  return found
}

/** The spans between two places, matched lazily from the beginning. */
function between(line: string, start: number, end: number, ends: Record<Directive, number[]>): Inline[] {
  const found: Inline[] = []
  let plain = start
  for (let at = start; at < end; at++) {
    const sign = line.charAt(at)
    if (!isDirective(sign)) continue
    const opens =
      (at === start || SPACE.test(line.charAt(at - 1))) && at + 1 < end && !SPACE.test(line.charAt(at + 1))
    if (!opens) continue
    const close = firstAfter(ends[sign], at)
    if (close === undefined || close >= end) continue
    if (close === at + 1) {
      at = close // marks with nothing between them are not directives
      continue
    }
    if (at > plain) found.push({ kind: 'text', text: line.slice(plain, at) })
    const kind = KINDS[sign]
    if (kind === 'code') found.push({ kind, text: line.slice(at + 1, close) })
    else found.push({ kind, children: between(line, at + 1, close, ends) })
    at = close
    plain = close + 1
  }
  if (plain < end) found.push({ kind: 'text', text: line.slice(plain, end) })
  return found
}

function isDirective(sign: string): sign is Directive {
  return sign in KINDS
}

/** The first number that is greater, in a sorted list. */
function firstAfter(sorted: number[], place: number): number | undefined {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] ?? 0) > place) high = middle
    else low = middle + 1
  }
  return sorted[low]
}

/** The text without its marks, for previews, replies and notifications. */
export function plainText(text: string): string {
  return parse(text).map(plainBlock).join('\n')
}

function plainBlock(block: Block): string {
  switch (block.kind) {
    case 'lines':
      return plainSpans(block.content)
    case 'code':
      return block.text
    case 'quote':
      return block.blocks.map(plainBlock).join('\n')
    case 'list':
      return block.items
        .map(({ number, content }) => `${number ? `${String(number)}.` : '•'} ${plainSpans(content)}`)
        .join('\n')
  }
}

function plainSpans(content: Inline[]): string {
  return content.map((one) => ('text' in one ? one.text : plainSpans(one.children))).join('')
}
