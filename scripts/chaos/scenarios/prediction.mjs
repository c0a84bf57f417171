export const scenario = { name: 'prediction', about: '', seconds: 1, run: async () => {} }
