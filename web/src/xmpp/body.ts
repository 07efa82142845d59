/** Chooses among the bodies of a message in several languages. */
import { isBlank } from '../local/words'
import { XML } from './namespaces'
import { NS } from './ns'
import { children, textOf, type Xml } from './xml'

/** The body in the reader's language, if there are several (RFC 6121 §5.2.3); else the first one. */
export function bodyOf(message: Xml): Xml | undefined {
  const all = children(message, NS.client, 'body')
  const bodies = all.filter((body) => !isBlank(textOf(body)))
  if (bodies.length < 2) return bodies[0] ?? all[0]
  const languages = bodies.map((body) => languageOf(body) || languageOf(message))
  for (const wanted of readerLanguages()) {
    const at = [wanted, wanted.split('-', 1)[0] ?? ''].flatMap((tag) =>
      languages.flatMap((language, place) =>
        language === tag || language.startsWith(`${tag}-`) ? [place] : []
      )
    )[0]
    if (at !== undefined) return bodies[at]
  }
  return bodies[languages.indexOf('')] ?? bodies[0]
}

function languageOf(element: Xml): string {
  return (element.attributes.get(`${XML} lang`) ?? '').toLowerCase()
}

/** The language of the app, then those of the browser. */
function readerLanguages(): string[] {
  const page = (globalThis as { document?: Document }).document
  const own = page?.documentElement.lang
  const all = [...(own ? [own] : []), ...(globalThis.navigator?.languages ?? [])]
  return all.map((tag) => tag.toLowerCase())
}
