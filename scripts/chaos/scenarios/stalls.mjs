export const scenario = { name: 'stalls', about: '', seconds: 1, run: async () => {} }
