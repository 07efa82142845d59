/**
 * Letters that look like Latin ones, to detect imitations: those of Unicode's confusables (UTS #39) that occur in names
 * and hosts. Others are reduced by compatibility decomposition.
 */

const PAIRS =
  // Cyrillic
  'аa вb гr ԁd еe ҽe ёe ғf ԍg һh нh іi їi јj кk ӏl мm пn оo рp ԛq ѕs сc тt цu ѵv ԝw ѡw хx уy ьb ъb ' +
  // Greek
  'αa βb γy εe ζz ηn ιi κk μu νv οo ρp σo τt υu χx ωw ' +
  // Armenian
  'օo ոn սu հh ցg զq յj ւl ' +
  // Latin, other than the plain alphabet
  'ıi ɩi ɪi ɡg ɢg ɑa łl øo đd ħh ŧt ƙk ɓb ɗd ʟl ɴn ʀr ꜱs ʏy ᴀa ʙb ᴄc ᴅd ᴇe ʜh ᴊj ᴋk ᴍm ᴏo ᴘp ᴛt ᴜu ᴠv ᴡw ᴢz ßb ' +
  // Cherokee
  'ꭺa ꮯc ꭼe ꮋh ꮐg ꭵi ꭻj ꮶk ꮮl ꮇm ꮲp ꭱr ꮪs ꭲt ꮩv ꮃw ꭹy ꮓz ' +
  // Lisu
  'ꓮa ꓐb ꓚc ꓓd ꓰe ꓝf ꓖg ꓧh ꓲi ꓙj ꓗk ꓡl ꓟm ꓠn ꓳo ꓑp ꓣr ꓢs ꓔt ꓴu ꓦv ꓪw ꓫx ꓬy ꓜz ' +
  // Coptic, and clicks
  'ⲁa ⲃb ⲉe ⲏh ⲓi ⲕk ⲙm ⲛn ⲟo ⲣp ⲥc ⲧt ⲭx ⲯy ǀl'

/** Capital letters that look like other letters than their small forms. */
const CAPITALS = new Map([...'ΒΕΖΗΙΚΜΝΟΡΤΥΧΑ'].map((one, at) => [one, 'bezhikmnoptyxa'.charAt(at)]))

const LATIN = new Map<string, string>()
for (const pair of PAIRS.split(' ')) {
  const [letter = '', latin = ''] = pair
  LATIN.set(letter, latin)
}

/** The same text for all texts that look alike. Case, accents, spaces and punctuation do not count. */
export function skeleton(text: string): string {
  const capitals = [...text.normalize('NFKD')].map((one) => CAPITALS.get(one) ?? one).join('')
  return [...capitals.toLowerCase().normalize('NFKD')]
    .filter((one) => !/[\p{M}\p{Z}\p{P}\p{C}]/u.test(one) || one === '|')
    .map((one) => LATIN.get(one) ?? one)
    .join('')
    .replace(/[i1|]/g, 'l')
    .replace(/0/g, 'o')
    .replace(/rn/g, 'm')
    .replace(/vv/g, 'w')
}

/** The Latin letter that a lower-case letter of another script looks like; undefined: none. */
export function asLatin(letter: string): string | undefined {
  return LATIN.get(letter)
}
