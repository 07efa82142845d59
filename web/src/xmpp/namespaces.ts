/** Resolves namespaces (Namespaces in XML 1.0). */
import { isNCNameStartChar } from 'xmlchars/xmlns/1.0/ed3'

export const XML = 'http://www.w3.org/XML/1998/namespace'
const XMLNS = 'http://www.w3.org/2000/xmlns/'

/**
 * The namespaces of prefixes (empty: the default) declared by an element and those around it. Nothing is copied from
 * one to the next, since that would take seconds for many nested declarations.
 */
export interface Scope {
  readonly own: ReadonlyMap<string, string>
  readonly outside?: Scope
}

/** The declarations before those of the root element. */
export const STREAM: Scope = {
  own: new Map([
    ['', ''],
    ['xml', XML],
    ['xmlns', XMLNS]
  ])
}

/** The prefix and the local part of a name. Throws for an invalid one (§4). */
export function split(name: string): { prefix: string; local: string } {
  const colon = name.indexOf(':')
  if (colon < 0) return { prefix: '', local: name }
  const local = name.slice(colon + 1)
  if (colon === 0 || !isLocal(local)) throw new Error(`no name: ${name}`)
  return { prefix: name.slice(0, colon), local }
}

/** The namespace of a prefix. Throws if it is not declared (§5, Prefix Declared). */
export function within(scope: Scope, prefix: string): string {
  for (let one: Scope | undefined = scope; one; one = one.outside) {
    const namespace = one.own.get(prefix)
    if (namespace !== undefined) return namespace
  }
  throw new Error(`unknown prefix: ${prefix}`)
}

/** The scope of an element with these attributes. Throws for forbidden declarations (§3, §5). */
export function declared(outside: Scope, attributes: [string, string][]): Scope {
  let own: Map<string, string> | undefined
  for (const [name, namespace] of attributes) {
    const { prefix, local } = split(name)
    if (prefix !== 'xmlns' && name !== 'xmlns') continue
    const of = prefix ? local : ''
    const reserved = namespace === XML ? 'xml' : namespace === XMLNS ? 'xmlns' : undefined
    const wrong =
      of === 'xmlns' ||
      (of !== '' && namespace === '') ||
      (of === 'xml') !== (reserved === 'xml') ||
      reserved === 'xmlns'
    if (wrong) throw new Error(`${name} may not be ${namespace}`)
    own ??= new Map()
    own.set(of, namespace)
  }
  return own ? { own, outside } : outside
}

function isLocal(text: string): boolean {
  return isNCNameStartChar(text.codePointAt(0) ?? 0) && !text.includes(':')
}
