/** Parses and formats phone numbers as they are typed. Loaded on demand. */
import {
  AsYouType,
  getCountries,
  getCountryCallingCode,
  parsePhoneNumberFromString,
  type CountryCode,
  type PhoneNumber
} from 'libphonenumber-js/min'
import { asciiDigits } from '../local/digits'

export type { CountryCode }

export interface Country {
  code: CountryCode
  calling: string
  name: string
  flag: string
}

/** The flag of a country, made of regional indicators. */
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

/** The country of the first of the browser's languages that has one. */
export function likely(tags: readonly string[]): CountryCode {
  const all = new Set<string>(getCountries())
  const found = tags.map(regionOf).find((one) => all.has(one))
  return (found ?? 'DE') as CountryCode
}

/** Empty for an invalid language tag, as some systems have them (`en-US@posix`). */
function regionOf(tag: string): string {
  try {
    return new Intl.Locale(tag).maximize().region ?? ''
  } catch {
    return ''
  }
}

/** Formats what was typed in the groups of its country, and returns the country if it begins with a + or 00. */
export function typed(
  text: string,
  country: CountryCode
): { text: string; country: CountryCode | undefined } {
  const digits = asciiDigits(text)
  const typing = new AsYouType(country)
  const shown = typing.input(digits)
  if (digits.trim().startsWith('+')) return { text: shown, country: typing.getCountry() }
  if (!digits.trim().startsWith('00')) return { text: shown, country: undefined }
  const abroad = new AsYouType()
  abroad.input(`+${digits.trim().slice(2)}`)
  return { text: digits, country: abroad.isValid() ? abroad.getCountry() : undefined }
}

/** The number (E.164) of the account, if it can be one: the same for all ways to write it. */
export function complete(text: string, country: CountryCode): string | undefined {
  const digits = asciiDigits(text).trim()
  const here = account(parsed(digits, country))
  // The usual prefix, in a country that has another one
  const abroad = !here && digits.startsWith('00') ? account(parsed(`+${digits.slice(2)}`)) : undefined
  return here ?? abroad
}

function account(number: PhoneNumber | undefined): string | undefined {
  if (!number) return undefined
  const { number: written, nationalNumber } = number
  const chosen = canonical(written)
  if (chosen !== written) return parsed(chosen)?.isPossible() ? chosen : undefined
  // A number that begins like this has a prefix that this country does not use, or is a service
  return number.isPossible() && !nationalNumber.startsWith('00') ? written : undefined
}

function parsed(text: string, country?: CountryCode): PhoneNumber | undefined {
  return parsePhoneNumberFromString(text, { ...(country && { defaultCountry: country }), extract: false })
}

/**
 * Two countries write mobile numbers in two ways: Mexico had a 1 after +52 until 2019, and prefixes for calls at home;
 * Argentina has a 9 after +54 that is left out at home. The rules are the server's (`kith/core/numbers.py`).
 */
export function canonical(number: string): string {
  const mexico = /^\+52(?:1|01|044|045)(\d{10})$/.exec(number)
  if (mexico) return `+52${mexico[1] ?? ''}`
  const argentina = /^\+54([1-3]\d{9})$/.exec(number)
  return argentina ? `+549${argentina[1] ?? ''}` : number
}

export function pretty(number: string): string {
  return parsePhoneNumberFromString(number)?.formatInternational() ?? number
}
