/** What made-up people, places and things are called. */
export const GIVEN_NAMES = [
  'Ada',
  'Bruno',
  'Chloé',
  'Dmitri',
  'Eszter',
  'Fatima',
  'Goran',
  'Hana',
  'Ines',
  'Jürgen',
  'Kofi',
  'Leila',
  'Mateo',
  'Nadia',
  'Oskar',
  'Priya',
] as const;

export const FAMILY_NAMES = [
  'Andersen',
  'Bianchi',
  'Čapek',
  'Dupont',
  'Eriksson',
  'Fischer',
  'García',
  'Horváth',
  'Ito',
  'Janssen',
  "O'Neill",
  'Lindqvist',
  'Müller',
  'Novák',
  'Okafor',
  'Šimić',
] as const;

export const CITIES = [
  { city: 'Lisboa', country: 'PT', postcode: '1100-148' },
  { city: 'Wien', country: 'AT', postcode: '1010' },
  { city: 'Lyon', country: 'FR', postcode: '69002' },
  { city: 'Uppsala', country: 'SE', postcode: '753 10' },
  { city: 'Zagreb', country: 'HR', postcode: '10000' },
  { city: 'Kraków', country: 'PL', postcode: '31-004' },
] as const;

export const STREETS = ['Garden Street', 'Mill Lane', 'Station Road', 'Church Hill'] as const;

export const INTERESTS = ['books', 'garden', 'kitchen', 'music', 'travel', 'tools'] as const;

export const MATERIALS = ['Oak', 'Steel', 'Linen', 'Wool', 'Glass'] as const;

export const THINGS = [
  'Chair',
  'Lamp',
  'Kettle',
  'Blanket',
  'Notebook',
  'Bottle',
  'Basket',
  'Mirror',
  'Clock',
  'Tray',
] as const;

export const CANCEL_REASONS = ['changed my mind', 'found it cheaper', null] as const;
