import hooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist", "node_modules", "src/api/schema.ts"] },
  { files: ["src/**/*.{ts,tsx}"], extends: [...tseslint.configs.strictTypeChecked], languageOptions: { parserOptions: { projectService: true } }, plugins: { "react-hooks": hooks }, rules: {
    "react-hooks/rules-of-hooks": "error",
    "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
    "@typescript-eslint/no-confusing-void-expression": "off",
    "@typescript-eslint/no-non-null-assertion": "error",
    // Text from outside never becomes markup.
    "no-restricted-syntax": ["error",
      { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: "text from outside stays text" },
      { selector: "MemberExpression[property.name=/^(innerHTML|outerHTML|insertAdjacentHTML)$/]", message: "text from outside stays text" },
    ],
  } },
);
