struct CNIBench { let programs: String; let objects: String; let plugins: String; func run(into report: inout Report) throws {} }
