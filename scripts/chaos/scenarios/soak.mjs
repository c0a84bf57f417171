export const scenario = { name: 'soak', about: '', seconds: 1, run: async () => {} }
