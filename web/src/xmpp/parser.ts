/**
 * Parses a stanza (XML 1.0 with namespaces) into immutable elements. What XMPP forbids in streams (comments, processing
 * instructions, document types) is refused (RFC 6120 §11.1).
 */
import { SaxesParser } from 'saxes'
import { declared, type Scope, STREAM, split, within } from './namespaces'

export interface XmlElement {
  /** The local name, without a prefix. */
  readonly name: string
  /** Empty: none. */
  readonly namespace: string
  /** By name. The name of an attribute with a prefix is its namespace, a space and its local name. */
  readonly attributes: ReadonlyMap<string, string>
  /** Elements, and the text between them. */
  readonly children: readonly (XmlElement | string)[]
}

/** The maximum depth: more than the server accepts, but safe for recursive code. */
const DEEPEST = 200

interface Open {
  children: (XmlElement | string)[]
  scope: Scope
}

/** Parses a text with a single element. Throws if it is not well-formed, or not allowed in a stream. */
export function parseElement(text: string): XmlElement {
  // The library's own namespaces are not used: it trims them, so it would see elements that others do not
  const parser = new SaxesParser({ xmlns: false })
  const above: Open[] = []
  let root: XmlElement | undefined

  const refuse = (what: string) => () => {
    throw new Error(`${what} in a stream`)
  }
  parser.on('comment', refuse('a comment'))
  parser.on('processinginstruction', refuse('a processing instruction'))
  parser.on('doctype', refuse('a document type'))

  parser.on('opentag', ({ name, attributes }) => {
    if (above.length === DEEPEST) throw new Error('too deep')
    const parent = above.at(-1)
    const all = Object.entries(attributes)
    const scope = declared(parent?.scope ?? STREAM, all)
    const tag = split(name)
    if (tag.prefix === 'xmlns') throw new Error('no prefix of an element')
    const children: Open['children'] = []
    const element: XmlElement = {
      name: tag.local,
      namespace: within(scope, tag.prefix),
      attributes: expanded(scope, all),
      children
    }
    parent?.children.push(element)
    root ??= element
    above.push({ children, scope })
  })
  parser.on('closetag', () => above.pop())

  const add = (part: string) => {
    const children = above.at(-1)?.children
    if (!children || part === '') return
    const last = children.at(-1)
    if (typeof last === 'string') children[children.length - 1] = last + part
    else children.push(part)
  }
  parser.on('text', add)
  parser.on('cdata', add)

  parser.write(text).close()
  if (!root) throw new Error('no element')
  return root
}

/** Attributes without namespace declarations. Throws for duplicates (Namespaces in XML §6.3). */
function expanded(scope: Scope, all: [string, string][]): Map<string, string> {
  const result = new Map<string, string>()
  for (const [name, value] of all) {
    const { prefix, local } = split(name)
    if (prefix === 'xmlns' || name === 'xmlns') continue
    const key = prefix ? `${within(scope, prefix)} ${local}` : local
    if (result.has(key)) throw new Error(`${local} twice`)
    result.set(key, value)
  }
  return result
}
