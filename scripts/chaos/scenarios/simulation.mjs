export const scenario = { name: 'simulation', about: '', seconds: 1, run: async () => {} }
