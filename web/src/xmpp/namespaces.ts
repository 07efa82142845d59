/** Resolves namespaces in XML 1.0. */
import { isNCNameStartChar } from 'xmlchars/xmlns/1.0/ed3'

export const XML = 'http://www.w3.org/XML/1998/namespace'
const XMLNS = 'http://www.w3.org/2000/xmlns/'

/**
 * What prefixes stand for (empty: the default) by what an element itself says, and by those around it. Nothing is copied
 * from one to the next: many elements that declare something, within one that declares much, would take seconds.
 */
export interface Scope {
  readonly own: ReadonlyMap<string, string>
  readonly outside?: Scope
}

/** What holds in a text before its element says anything. */
export const STREAM: Scope = {
  own: new Map([
    ['', ''],
    ['xml', XML],
    ['xmlns', XMLNS]
  ])
}

/** The prefix of a name, if it has one, and the rest. Raises if it is no qualified name (§4). */
export function split(name: string): { prefix: string; local: string } {
  const colon = name.indexOf(':')
  if (colon < 0) return { prefix: '', local: name }
  const local = name.slice(colon + 1)
  if (colon === 0 || !isLocal(local)) throw new Error(`no name: ${name}`)
  return { prefix: name.slice(0, colon), local }
}

/** What a prefix stands for. Raises if that is nothing (§5, Prefix Declared). */
export function within(scope: Scope, prefix: string): string {
  for (let one: Scope | undefined = scope; one; one = one.outside) {
    const namespace = one.own.get(prefix)
    if (namespace !== undefined) return namespace
  }
  throw new Error(`unknown prefix: ${prefix}`)
}

/** What holds in an element with these attributes. Raises for declarations that may not be (§3, §5). */
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
