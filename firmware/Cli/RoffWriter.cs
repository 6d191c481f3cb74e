using System;
using System.Linq;
using System.Text;

namespace NasFirmware.Cli;

/// <summary>Text in the macros of man(7), so that man(1) and mandoc(1) have nothing to say against it.</summary>
sealed class RoffWriter
{
    const int ColumnsMax = 78;

    readonly StringBuilder _text = new();
    bool _underHeading;

    public override string ToString() => _text.ToString();

    internal void Head(string page, string date) =>
        Line($".TH {page.ToUpperInvariant().Replace("-", "\\-", StringComparison.Ordinal)} 8 \"{date}\" NasHammer"
            + " \"System Manager's Manual\"");

    internal void Section(string name) => Heading(".SH " + name);

    internal void Verb(string name) => Heading(".SS " + Safe(name));

    void Heading(string line)
    {
        Line(line);
        _underHeading = true;
    }

    /// <summary>A line of macros or of text that is safe already.</summary>
    internal void Line(string line)
    {
        _text.Append(line).Append('\n');
        _underHeading = false;
    }

    /// <summary>Text, broken between words.</summary>
    internal void Text(string text)
    {
        string line = "";
        foreach (string word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            string next = Safe(word);
            if (line.Length > 0 && line.Length + 1 + next.Length > ColumnsMax)
            {
                Line(line);
                line = "";
            }
            line = line.Length == 0 ? next : line + " " + next;
        }
        if (line.Length > 0) Line(line);
    }

    // A heading makes the gap itself.
    void Gap()
    {
        if (!_underHeading) Line(".PP");
    }

    /// <summary>Each sentence on a line of its own; without text only the gap.</summary>
    internal void Paragraph(string text)
    {
        if (text.Length == 0) return;
        Gap();
        Sentences(text);
    }

    internal void Usage(string usage)
    {
        Gap();
        string[] words = usage.Split(' ');
        int bold = words.TakeWhile(w => w.Length > 0 && (char.IsAsciiLetterLower(w[0]))).Count();
        Line(".B " + Safe(string.Join(' ', words[..bold])));
        Text(string.Join(' ', words[bold..]));
    }

    internal void Item(string item, string text)
    {
        Line(".TP");
        Line("\\fB" + Safe(item) + "\\fR");
        if (text.Length == 0) Line("\\&");
        Sentences(text);
    }

    void Sentences(string text)
    {
        int from = 0;
        for (int at = text.IndexOf(". ", StringComparison.Ordinal); at >= 0;
            at = text.IndexOf(". ", from, StringComparison.Ordinal))
        {
            Text(text[from..(at + 1)]);
            from = at + 2;
        }
        Text(text[from..]);
    }

    /// <summary>No character of it means anything to roff.</summary>
    internal static string Safe(string text)
    {
        string safe = text.Replace("\\", "\\e", StringComparison.Ordinal).Replace("-", "\\-", StringComparison.Ordinal)
            .Replace("^", "\\(ha", StringComparison.Ordinal).Replace("~", "\\(ti", StringComparison.Ordinal);
        return safe.StartsWith('.') || safe.StartsWith('\'') ? "\\&" + safe : safe;
    }
}
