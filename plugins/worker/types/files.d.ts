// Files that a Worker imports: import page from "./page.html". Any file is imported as
// text with: import text from "./file" with { type: "text" }.
declare module "*.txt" { const text: string; export default text; }
declare module "*.html" { const text: string; export default text; }
declare module "*.css" { const text: string; export default text; }
declare module "*.svg" { const text: string; export default text; }
declare module "*.sql" { const text: string; export default text; }
declare module "*.md" { const text: string; export default text; }
declare module "*.xml" { const text: string; export default text; }
declare module "*.csv" { const text: string; export default text; }
declare module "*.bin" { const bytes: ArrayBuffer; export default bytes; }
