import { Moon, Sun, SunMoon } from "lucide-react";
import { useState } from "react";
import { IconButton } from "@/components/Button";
import { chooseTheme, readTheme, type Theme } from "@/lib/theme";

const THEMES = {
  system: { icon: SunMoon, text: "like the system", next: "light" },
  light: { icon: Sun, text: "light", next: "dark" },
  dark: { icon: Moon, text: "dark", next: "system" },
} as const;

/** Goes from one theme to the next. */
export function ThemeToggle() {
  const [theme, setTheme] = useState<Theme>(readTheme);
  const { icon, text, next } = THEMES[theme];
  return (
    <IconButton
      icon={icon}
      label={`Theme: ${text}`}
      onClick={() => {
        chooseTheme(next);
        setTheme(next);
      }}
    />
  );
}
