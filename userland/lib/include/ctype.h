#ifndef CTYPE_H
#define CTYPE_H

/* ASCII. As C's: the argument is a character's value as unsigned char, or EOF. */

int isdigit(int c);
int isxdigit(int c);
int isupper(int c);
int islower(int c);
int isalpha(int c);
int isalnum(int c);
int isspace(int c);
int isprint(int c);
int ispunct(int c);
int iscntrl(int c);
int toupper(int c);
int tolower(int c);

#endif
