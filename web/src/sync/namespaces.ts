/** Namespaces in XML 1.0: which prefix stands for what, and where. */
import { isNCNameStartChar } from 'xmlchars/xmlns/1.0/ed3'

export const XML = 'http://www.w3.org/XML/1998/namespace'
const XMLNS = 'http://www.w3.org/2000/xmlns/'

/** What prefixes stand for; empty: the default. */
export type Scope = ReadonlyMap<string, string>

/** What holds in a text before its element says anything. */
export const STREAM: Scope = new Map([
  ['', ''],
  ['xml', XML],
  ['xmlns', XMLNS]
])

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
  const namespace = scope.get(prefix)
  if (namespace === undefined) throw new Error(`unknown prefix: ${prefix}`)
  return namespace
}

/** What holds in an element with these attributes. Raises for declarations that may not be (§3, §5). */
export function declared(outside: Scope, attributes: [string, string][]): Scope {
  let scope: Map<string, string> | undefined
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
    scope ??= new Map(outside)
    scope.set(of, namespace)
  }
  return scope ?? outside
}

function isLocal(text: string): boolean {
  return isNCNameStartChar(text.codePointAt(0) ?? 0) && !text.includes(':')
}
