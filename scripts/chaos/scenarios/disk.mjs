export const scenario = { name: 'disk', about: '', seconds: 1, run: async () => {} }
