/** XML elements: parsing (`parse`), building (`el`), serializing (`write`), and access to their parts. */
import { XML } from './namespaces'
import { parseElement, type XmlElement } from './parser'

export type Xml = XmlElement
/** A serialized element, ready to be sent. */
export interface OutgoingXml {
  xml: string
}
type Child = OutgoingXml | string | undefined | false

/** Characters that XML 1.0 can't represent; pasted texts may contain them. */
// eslint-disable-next-line no-control-regex
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g

const ESCAPES: Record<string, string> = {
  ...{ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' },
  // Parsers would normalize such whitespace (XML 1.0 §2.11, §3.3.3)
  ...{ '\t': '&#9;', '\n': '&#10;', '\r': '&#13;' }
}

const LONE_SURROGATE = /\p{Surrogate}/gu

/** Builds an element. Undefined attributes, and children that are undefined or false, are omitted. */
export function el(
  name: string,
  attributes: Record<string, string | undefined>,
  ...children: Child[]
): OutgoingXml {
  let head = `<${name}`
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) head += ` ${key}="${asValue(clean(value))}"`
  }
  let inner = ''
  for (const child of children) {
    if (typeof child === 'string') inner += asText(clean(child))
    else if (child) inner += child.xml
  }
  return { xml: inner ? `${head}>${inner}</${name}>` : `${head}/>` }
}

/** Throws if the text is not well-formed. */
export function parse(text: string): Xml {
  return parseElement(text)
}

/** Serializes an element so that `parse` returns the same; `around`: the namespace of its future parent. */
export function write(element: Xml, around = ''): string {
  const { namespace } = element
  const name = namespace === XML ? `xml:${element.name}` : element.name
  let head = `<${name}`
  if (namespace !== around && namespace !== XML) head += ` xmlns="${asValue(namespace)}"`
  let prefixes = 0
  for (const [key, value] of element.attributes) {
    const space = key.lastIndexOf(' ')
    const of = key.slice(0, Math.max(0, space))
    const local = key.slice(space + 1)
    if (!of) head += ` ${local}="${asValue(value)}"`
    else if (of === XML) head += ` xml:${local}="${asValue(value)}"`
    else {
      prefixes += 1
      head += ` xmlns:a${prefixes}="${asValue(of)}" a${prefixes}:${local}="${asValue(value)}"`
    }
  }
  let inner = ''
  for (const child of element.children)
    inner += typeof child === 'string' ? asText(child) : write(child, namespace === XML ? around : namespace)
  return inner ? `${head}>${inner}</${name}>` : `${head}/>`
}

export function child(element: Xml | undefined, namespace: string, name: string): Xml | undefined {
  for (const one of element?.children ?? []) {
    if (typeof one !== 'string' && one.name === name && one.namespace === namespace) return one
  }
  return undefined
}

export function children(element: Xml | undefined, namespace: string, name: string): Xml[] {
  return elements(element).filter((one) => one.name === name && one.namespace === namespace)
}

/** The value of an attribute without a prefix; empty: there is none. */
export function attribute(element: Xml | undefined, name: string): string {
  return element?.attributes.get(name) ?? ''
}

/** The text directly in an element, without that of its children. */
export function textOf(element: Xml | undefined): string {
  return (element?.children ?? []).filter((one) => typeof one === 'string').join('')
}

export function elements(element: Xml | undefined): Xml[] {
  return (element?.children ?? []).filter((one) => typeof one !== 'string')
}

/** The first child element. */
export function first(element: Xml | undefined): Xml | undefined {
  return elements(element)[0]
}

function asText(text: string): string {
  return text.replace(/[&<>\r]/g, escape)
}

function asValue(text: string): string {
  return text.replace(/[&<>"\t\n\r]/g, escape)
}

function escape(character: string): string {
  return ESCAPES[character] ?? ''
}

function clean(text: string): string {
  return text.replace(FORBIDDEN, '').replace(LONE_SURROGATE, '\ufffd')
}
