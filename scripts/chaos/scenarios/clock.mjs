export const scenario = { name: 'clock', about: '', seconds: 1, run: async () => {} }
