export const scenario = { name: 'bit-flips', about: '', seconds: 1, run: async () => {} }
