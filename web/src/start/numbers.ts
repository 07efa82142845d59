/** Phone numbers as they are typed; loaded when they are asked for. */
import {
  AsYouType,
  getCountries,
  getCountryCallingCode,
  parsePhoneNumberFromString,
  type CountryCode
} from 'libphonenumber-js/min'

export type { CountryCode }

export interface Country {
  code: CountryCode
  calling: string
  name: string
  flag: string
}

/** `🇩🇪`, of regional indicators. */
function flag(code: string): string {
  return String.fromCodePoint(...[...code].map((letter) => 0x1f1a5 + (letter.codePointAt(0) ?? 0)))
}

export function countries(tag: string): Country[] {
  const names = new Intl.DisplayNames(tag, { type: 'region' })
  return getCountries()
    .map((code) => ({
      code,
      calling: getCountryCallingCode(code),
      name: names.of(code) ?? code,
      flag: flag(code)
    }))
    .sort((a, b) => a.name.localeCompare(b.name, tag))
}

/** Of the browser's languages: the first that says a country. */
export function likely(tags: readonly string[]): CountryCode {
  const all = new Set<string>(getCountries())
  const found = tags.map((tag) => new Intl.Locale(tag).maximize().region ?? '').find((one) => all.has(one))
  return (found ?? 'DE') as CountryCode
}

/** What was typed, in the groups of that country, and the country if it says one with a +. */
export function typed(
  text: string,
  country: CountryCode
): { text: string; country: CountryCode | undefined } {
  const typing = new AsYouType(country)
  const shown = typing.input(text)
  return { text: shown, country: text.trim().startsWith('+') ? typing.getCountry() : undefined }
}

/** In E.164, if it can be a number. */
export function complete(text: string, country: CountryCode): string | undefined {
  const number = parsePhoneNumberFromString(text, country)
  return number?.isPossible() ? number.number : undefined
}

export function pretty(number: string): string {
  return parsePhoneNumberFromString(number)?.formatInternational() ?? number
}
