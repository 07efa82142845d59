/** The texts in the user's language, with its plural rules, dates and numbers (ECMA-402). */
import { de } from './de'
import { en } from './en'
import type { Key, Text, Texts } from './texts'

export const LANGUAGES: Record<string, { name: string; texts: Texts }> = {
  en: { name: 'English', texts: en },
  de: { name: 'Deutsch', texts: de }
}
const RIGHT_TO_LEFT = /^(?:ar|dv|fa|he|ps|ur|yi)\b/

/** The first of the preferred languages that the app has; else English. */
export function choose(wished: readonly string[]): string {
  const known = wished.map((one) => one.split('-')[0] ?? '').find((one) => Object.hasOwn(LANGUAGES, one))
  return known ?? 'en'
}

/** Whether a language tag is valid. Some systems have invalid ones, such as `en-US@posix`, which formatters refuse. */
export function isTag(text: string): boolean {
  try {
    return Intl.getCanonicalLocales(text).length > 0
  } catch {
    return false
  }
}

class Language {
  /** A BCP 47 tag, with the browser's region if the language is the same, since formats depend on it. */
  tag = $state('en')

  use(chosen: string | null): void {
    const wished = navigator.languages.filter(isTag)
    const code = chosen !== null && Object.hasOwn(LANGUAGES, chosen) ? chosen : choose(wished)
    this.tag = wished.find((one) => one.split('-')[0] === code) ?? code
    document.documentElement.lang = code
    document.documentElement.dir = RIGHT_TO_LEFT.test(code) ? 'rtl' : 'ltr'
  }

  get code(): string {
    return this.tag.split('-')[0] ?? 'en'
  }
}

export const language = new Language()

export function fill(text: Text, values: Record<string, string | number>, tag: string): string {
  const form =
    typeof text === 'string'
      ? text
      : (text[new Intl.PluralRules(tag).select(Number(values.count))] ?? text.other ?? '')
  return form.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name]
    if (value === undefined) return whole
    return typeof value === 'number' ? new Intl.NumberFormat(tag).format(value) : value
  })
}

/** A text, with values for the names in {}. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return fill((LANGUAGES[language.code]?.texts ?? en)[key], values, language.tag)
}
