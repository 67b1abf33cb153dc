/** The faults that the suite is held to: each has a scenario, and a row in docs/faults.md. Ids as in docs/rules.md. */
export const CATALOGUE: readonly string[] = [
  ...['F01', 'F02', 'F03', 'F04', 'F05', 'F06', 'F07', 'F08', 'F09', 'F10'],
  ...['F11', 'F12', 'F13', 'F14', 'F15', 'F16', 'F17', 'F18', 'F19'],
  ...['F26', 'F27', 'F28'],
  ...['F30', 'F31', 'F32', 'F32b', 'F33', 'F34', 'F35', 'F36', 'F37', 'F38', 'F39'],
  ...['F40', 'F41', 'F42', 'F43', 'F44', 'F45'],
]
